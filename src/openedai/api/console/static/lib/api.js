// Requests to the server that this page comes from.
//
// The key is kept by the tab, for as long as it is open, and sent in a header. No cookie is used: a
// page of another site cannot make the browser send the key with a request of its own.

const KEY = "openedai.key";
const ROOT = new URL("../../../", import.meta.url);

// An answer with an error, or none at all (status 0).
export class ApiError extends Error {
  constructor(message, status = 0, code = null, param = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.param = param;
  }
}

export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value) => sessionStorage.setItem(KEY, value),
  forget: () => sessionStorage.removeItem(KEY),
};

// The address of a path of the server, such as "v1/models".
export function address(path) {
  return new URL(path, ROOT).href;
}

// The answer to a request, which is checked. `json` or `form` is the body; `signal` ends it.
export async function send(path, { method, json, form, signal } = {}) {
  const headers = {};
  if (key.get()) headers.authorization = `Bearer ${key.get()}`;
  if (json !== undefined) headers["content-type"] = "application/json";
  const body = json === undefined ? form : JSON.stringify(json);
  let response;
  try {
    response = await fetch(address(path), {
      method: method ?? (body === undefined ? "GET" : "POST"),
      headers,
      body,
      signal,
      credentials: "omit",
      cache: "no-store",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server cannot be reached.");
  }
  if (!response.ok) throw await errorOf(response);
  return response;
}

export async function get(path, options = {}) {
  return (await send(path, options)).json();
}

export async function post(path, json, options = {}) {
  return (await send(path, { ...options, json, method: "POST" })).json();
}

// Every object of a list of the API, page by page.
export async function* listed(path, options = {}) {
  let after = "";
  while (true) {
    const join = path.includes("?") ? "&" : "?";
    const page = await get(after ? `${path}${join}after=${encodeURIComponent(after)}` : path, options);
    yield* page.data;
    if (!page.has_more || !page.data.length) return;
    after = page.last_id ?? page.data.at(-1).id;
  }
}

// All of them, for lists that are not long.
export async function all(path, options = {}) {
  const found = [];
  for await (const one of listed(path, options)) found.push(one);
  return found;
}

// The server-sent events of an answer, as values: `for await (const value of events(…))`.
// An event that is an error is thrown, `[DONE]` is the end.
export async function* events(path, options = {}) {
  const response = await send(path, options);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (done) return;
      text += value;
      const frames = text.split(/\r?\n\r?\n/);
      text = frames.pop();
      for (const frame of frames) {
        const data = dataOf(frame);
        if (data === "[DONE]") return;
        if (data) yield checked(JSON.parse(data));
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function dataOf(frame) {
  const lines = frame.split(/\r?\n/).filter((line) => line.startsWith("data:"));
  return lines.map((line) => line.slice(5).trimStart()).join("\n");
}

function checked(value) {
  const error = value?.error;
  if (error && typeof error === "object" && error.message) {
    throw new ApiError(error.message, 200, error.code, error.param);
  }
  return value;
}

async function errorOf(response) {
  try {
    const { error } = await response.json();
    return new ApiError(error.message, response.status, error.code, error.param);
  } catch {
    return new ApiError(`The server answered with status ${response.status}.`, response.status);
  }
}
