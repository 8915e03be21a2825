// The metadata of an object of the API, as rows of a key and a value.

import { ApiError } from "./api.js";
import { add, button, h } from "./dom.js";

// What the API takes.
const MOST = 16;
const KEY_LENGTH = 64;
const VALUE_LENGTH = 512;

// `read()` is an object of texts, without the rows that are empty. It fails where a key is missing or is there twice.
export function metadataRows(values = {}) {
  const rows = [];
  const list = h("div", { class: "metadata" });
  const more = button("Add a row", () => grow().focus(), { class: "quiet small" });
  const number = () => {
    rows.forEach(({ name, value, remove }, index) => {
      name.setAttribute("aria-label", `Metadata key ${index + 1}`);
      value.setAttribute("aria-label", `Metadata value ${index + 1}`);
      remove.setAttribute("aria-label", `Remove metadata row ${index + 1}`);
    });
    more.disabled = rows.length >= MOST;
  };
  const grow = (key = "", text = "") => {
    const name = h("input", { type: "text", maxlength: KEY_LENGTH, placeholder: "Key", spellcheck: "false", autocomplete: "off", value: key });
    const value = h("input", { type: "text", maxlength: VALUE_LENGTH, placeholder: "Value", autocomplete: "off", value: text });
    const remove = button("Remove", () => shrink(row), { class: "quiet small" });
    const row = { name, value, remove, element: h("div", { class: "metadata-row" }, name, value, remove) };
    rows.push(row);
    add(list, row.element);
    number();
    return name;
  };
  const shrink = (row) => {
    const index = rows.indexOf(row);
    rows.splice(index, 1);
    row.element.remove();
    number();
    (rows[index] ?? rows[index - 1])?.name.focus();
    if (!rows.length) more.focus();
  };
  for (const [key, text] of Object.entries(values)) grow(key, text);
  number();
  return {
    element: h(
      "fieldset",
      { "data-param": "metadata" },
      h("legend", {}, "Metadata"),
      h("small", {}, `Up to ${MOST} keys of up to ${KEY_LENGTH} characters, with values of up to ${VALUE_LENGTH}.`),
      list,
      h("div", { class: "row" }, more),
    ),
    read() {
      const found = new Map();
      for (const { name, value } of rows) {
        const key = name.value.trim();
        if (!key && !value.value) continue;
        if (!key) throw wrong(`The value '${value.value.slice(0, 40)}' has no key.`);
        if (found.has(key)) throw wrong(`The key '${key}' is there twice.`);
        found.set(key, value.value);
      }
      return Object.fromEntries(found);
    },
  };
}

function wrong(message) {
  return new ApiError(message, 0, null, "metadata");
}
