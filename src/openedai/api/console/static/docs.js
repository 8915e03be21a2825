// The reference of the API: what /openapi.json describes, with a form to try each request.

import { address, get, key, send } from "./lib/api.js";
import { add, button, field, h, show } from "./lib/dom.js";
import { errorBox } from "./lib/notes.js";
import { fieldsOf, typeName } from "./lib/schema.js";

const MOST = 65536; // characters of an answer that are shown

async function start() {
  const box = errorBox();
  const list = h("div", { class: "page" });
  const filter = h("input", { type: "search", placeholder: "chat, /v1/files, temperature …" });
  const keyInput = h("input", {
    type: "password",
    autocomplete: "off",
    value: key.get(),
    onchange: () => (keyInput.value ? key.set(keyInput.value.trim()) : key.forget()),
  });
  const count = h("p", { class: "faint", role: "status" });
  const main = h(
    "main",
    { class: "reference", id: "main" },
    h("div", { class: "heading" }, h("h1", {}, "The API of this server"), h("p", { class: "faint" }, "Described by ", h("a", { href: address("openapi.json") }, "openapi.json"), ". ", h("a", { href: address("console/") }, "Console"))),
    h("div", { class: "row" }, grow(field("Find", filter)), grow(field("API key, for trying requests", keyInput))),
    count,
    box.element,
    list,
  );
  document.body.append(main);
  let api;
  try {
    api = await get("openapi.json");
  } catch (error) {
    return box.set(error);
  }
  const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation, api })),
  );
  const draw = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = operations.filter((one) => words.every((word) => textOf(one).includes(word)));
    count.textContent = `${found.length} of ${operations.length} operations`;
    show(list, [...grouped(found)].map(([name, members]) => group(name, members)));
  };
  filter.addEventListener("input", draw);
  draw();
  main.dataset.ready = "docs";
}

function grow(element) {
  element.classList.add("grow");
  return element;
}

function textOf({ path, method, operation, api }) {
  const body = bodyOf(operation);
  const fields = body ? fieldsOf(body.schema, api).map((one) => one.name) : [];
  return `${method} ${path} ${operation.summary} ${fields.join(" ")}`.toLowerCase();
}

// Operations by the first words of their paths, those of Azure's URLs together.
function grouped(operations) {
  const groups = new Map();
  for (const one of operations) {
    const parts = one.path.split("/").filter(Boolean);
    const name = parts[0] === "openai" ? "Azure's URLs" : `/${parts.slice(0, 2).join("/")}`;
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(one);
  }
  return groups;
}

function group(name, members) {
  return h("section", { class: "card", "aria-label": name }, h("h2", {}, name), members.map(summary));
}

function summary(one) {
  const details = h(
    "details",
    { class: "operation" },
    h("summary", {}, h("span", { class: "badge method" }, one.method), h("code", {}, one.path), h("span", { class: "faint" }, one.operation.summary)),
  );
  details.addEventListener("toggle", () => details.open && details.children.length === 1 && add(details, operation(one)), { once: true });
  return details;
}

function operation({ path, method, operation, api }) {
  const body = bodyOf(operation);
  return h(
    "div",
    { class: "page" },
    operation.description ? h("p", {}, operation.description) : null,
    body ? fieldTable(body, api) : null,
    attempt(path, method, operation, body, api),
  );
}

function bodyOf(operation) {
  const content = operation.requestBody?.content;
  if (!content) return null;
  const [type, { schema }] = Object.entries(content)[0];
  return { type, schema };
}

function fieldTable(body, api) {
  const rows = fieldsOf(body.schema, api).map((one) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, h("code", {}, one.name), one.required ? h("span", { class: "badge" }, "required") : null),
      h("td", {}, h("code", {}, typeName(one.schema, api))),
    ),
  );
  return h(
    "div",
    { class: "scroller", tabindex: "0", role: "region", "aria-label": "Parameters" },
    h("table", {}, h("caption", { class: "hidden" }, "Parameters of the body"), h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Parameter"), h("th", { scope: "col" }, "Type"))), h("tbody", {}, rows)),
  );
}

function attempt(path, method, operation, body, api) {
  const names = (operation.parameters ?? []).map((one) => one.name);
  const inputs = names.map((name) => h("input", { type: "text", required: true, spellcheck: "false" }));
  const isJson = body?.type === "application/json";
  const text = isJson ? h("textarea", { class: "mono", rows: "6", spellcheck: "false", value: example(body, api) }) : null;
  const result = h("pre", { class: "result", tabindex: "0", role: "region", "aria-label": "Answer", "aria-live": "polite" });
  result.hidden = true;
  if (body && !isJson) return h("p", { class: "faint" }, "The body is a form: use a client to send it.");
  const form = h(
    "form",
    {
      onsubmit: async (event) => {
        event.preventDefault();
        result.hidden = false;
        result.textContent = "…";
        const url = names.reduce((rest, name, index) => rest.replace(`{${name}}`, encodeURIComponent(inputs[index].value)), path);
        result.textContent = await tried(url.slice(1), method, text?.value);
      },
    },
    names.map((name, index) => field(name, inputs[index])),
    text ? field("Body", text) : null,
    h("div", { class: "row" }, h("button", { type: "submit" }, `Send ${method}`), button("Clear", () => (result.hidden = true), { class: "quiet" })),
    result,
  );
  return h("details", {}, h("summary", {}, "Try it"), form);
}

// The answer as text: what is streamed is read until it ends or is long.
async function tried(path, method, text) {
  const left = new AbortController();
  try {
    const json = text === undefined ? undefined : JSON.parse(text);
    const response = await send(path, { method, json, signal: left.signal });
    const type = response.headers.get("content-type") ?? "";
    if (!/json|text|event-stream/.test(type)) return `${response.status}, ${type}`;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let answer = "";
    for (let part = await reader.read(); !part.done && answer.length < MOST; part = await reader.read()) answer += part.value;
    left.abort();
    return type.includes("application/json") ? JSON.stringify(JSON.parse(answer), null, 2) : answer;
  } catch (error) {
    return error.status ? `${error.status} ${error.code ?? ""}\n${error.message}` : error.message;
  }
}

function example(body, api) {
  const values = { string: "", integer: 1, number: 1, boolean: true, array: [], object: {} };
  const required = fieldsOf(body.schema, api).filter((one) => one.required);
  const pairs = required.map((one) => [one.name, one.name === "model" ? "gpt-4o" : (values[typeName(one.schema, api).split(/[\s|<]/)[0]] ?? [])]);
  return JSON.stringify(Object.fromEntries(pairs), null, 2);
}

start();
