// The files of the API: uploads with their progress, downloads, and the beginning of a text.

import { ApiError, address, all, key, send } from "./api.js";
import { field, h, select } from "./dom.js";
import { bytes } from "./format.js";

const SHOWN = 65536; // bytes of a text

// Uploads a file, and tells `progress` the share that is sent. `days` is when it expires; 0 for never.
export function upload(file, purpose, { days = 0, progress = () => {}, signal } = {}) {
  const form = new FormData();
  form.append("purpose", purpose);
  if (days) {
    form.append("expires_after[anchor]", "created_at");
    form.append("expires_after[seconds]", String(86400 * days));
  }
  form.append("file", file, file.name);
  // fetch() does not tell how much was sent.
  const request = new XMLHttpRequest();
  request.open("POST", address("v1/files"));
  if (key.get()) request.setRequestHeader("authorization", `Bearer ${key.get()}`);
  request.responseType = "json";
  signal?.addEventListener("abort", () => request.abort());
  return new Promise((resolve, reject) => {
    request.upload.addEventListener("progress", (event) => progress(event.total ? event.loaded / event.total : 0));
    request.addEventListener("error", () => reject(new ApiError("The server cannot be reached.")));
    request.addEventListener("abort", () => reject(new DOMException("The upload was stopped.", "AbortError")));
    request.addEventListener("load", () => {
      if (request.status < 300) return resolve(request.response);
      const { message, code, param } = request.response?.error ?? {};
      reject(new ApiError(message ?? `The server answered with status ${request.status}.`, request.status, code, param));
    });
    request.send(form);
  });
}

function contentOf(id) {
  return `v1/files/${encodeURIComponent(id)}/content`;
}

// Saves a file where the browser saves what it downloads.
export async function download(id, name, { signal } = {}) {
  const blob = await (await send(contentOf(id), { signal })).blob();
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

// {text, whole}: the first 64 KiB of a file, and whether that is all. Fails if it is not a text.
export async function beginning(id, { signal } = {}) {
  const reader = (await send(contentOf(id), { signal })).body.getReader();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  let size = 0;
  try {
    while (size < SHOWN) {
      const { done, value } = await reader.read();
      if (done) return { text: text + decoder.decode(), whole: true };
      const part = value.subarray(0, SHOWN - size);
      size += part.length;
      text += decoder.decode(part, { stream: true });
    }
    return { text, whole: false };
  } catch (error) {
    if (error instanceof TypeError) throw new ApiError("This file is not a text in UTF-8: download it to see what is in it.");
    throw error;
  } finally {
    reader.cancel().catch(() => {});
  }
}

// A choice of a stored file of a purpose, or of a new one, which `id()` uploads. `id()` is null if there is none.
export async function fileChoice(page, label, purpose, { hint = "", required = true } = {}) {
  const files = await all(`v1/files?purpose=${purpose}&limit=1000`, { signal: page.signal });
  const options = files.map((one) => [one.id, `${one.filename} (${bytes(one.bytes)})`]);
  const stored = select([["", required ? "A new one" : "None, or a new one"], ...options], "");
  const fresh = h("input", { type: "file" });
  const offer = () => {
    fresh.disabled = Boolean(stored.value);
    fresh.required = required && !stored.value;
  };
  stored.addEventListener("input", offer);
  offer();
  const uploaded = new WeakMap(); // ids by files, so that what is refused can be tried again
  return {
    elements: [field(label, stored, hint), field(`${label}: upload`, fresh)],
    stored,
    fresh,
    async id() {
      if (stored.value) return stored.value;
      const file = fresh.files[0];
      if (!file) return null;
      if (!uploaded.has(file)) uploaded.set(file, (await upload(file, purpose, { signal: page.signal })).id);
      return uploaded.get(file);
    },
  };
}
