// The files of a vector store: how far they are, what was read of them, and new ones.

import { get, post, send } from "../../lib/api.js";
import { button, card, field, h, select, setText, show } from "../../lib/dom.js";
import { bytes } from "../../lib/format.js";
import { form, jsonField, statusCell } from "../../lib/forms.js";
import { confirm, note } from "../../lib/notes.js";
import { PagedTable } from "../../lib/paged.js";
import { uploader } from "../../lib/uploads.js";
import { storedFiles } from "./stored.js";

const FILTERS = [
  ["", "Every status"],
  ["in_progress", "In progress"],
  ["completed", "Completed"],
  ["failed", "Failed"],
  ["cancelled", "Cancelled"],
];

// {table, addition, reload}: the table of the files with what is shown of one, and the form for new ones.
export async function storeFiles(page, path) {
  const names = new Map();
  const status = select(FILTERS, "", { "aria-label": "Status" });
  const view = h("div", { class: "page", role: "region", "aria-label": "The file", "aria-live": "polite" });
  const name = async ({ id }) => {
    const file = await get(`v1/files/${encodeURIComponent(id)}`, { signal: page.signal }).catch((error) => {
      if (error.status === 404) return { filename: id }; // it has just been deleted
      throw error;
    });
    names.set(id, file.filename);
  };
  const table = new PagedTable(page, () => `${path}/files${status.value ? `?filter=${status.value}` : ""}`, {
    caption: "Files of the vector store",
    empty: "There are no files.",
    prepare: (rows) => Promise.all(rows.filter((row) => !names.has(row.id)).map(name)),
    columns: [
      { title: "Name", cell: (row) => h("span", { class: "wrap" }, nameOf(row)) },
      { title: "Status", cell: stateCell },
      { title: "Size", number: true, text: (row) => bytes(row.usage_bytes) },
      { title: "Attributes", text: (row) => (Object.keys(row.attributes).length ? JSON.stringify(row.attributes) : "–") },
      { title: "Actions", hidden: true, class: "actions", cell: (row) => actions(row) },
    ],
  });
  const nameOf = (row) => names.get(row.id) ?? row.id;
  const actions = (row) => {
    const act = (label, work, kind = "quiet") =>
      button(label, () => {
        page.fail(null);
        work(row, nameOf(row)).catch(page.fail);
      }, { class: `${kind} small`, "aria-label": `${label} ${nameOf(row)}` });
    return h("div", { class: "row end" }, act("Text", see), act("Attributes", edit), act("Remove", remove, "danger"));
  };
  const fileOf = (row) => `${path}/files/${encodeURIComponent(row.id)}`;
  const see = async (row, filename) => {
    const { data } = await get(`${fileOf(row)}/content`, { signal: page.signal });
    show(view, card(`The text of ${filename}`, data.map((part) => h("pre", { class: "result", tabindex: "0" }, part.text))));
    view.scrollIntoView({ block: "nearest" });
  };
  const edit = async (row, filename) => {
    const latest = await get(fileOf(row), { signal: page.signal });
    const field = jsonField("Attributes of the file", "A JSON object of texts, numbers and booleans.", latest.attributes);
    const save = async () => {
      await post(fileOf(row), { attributes: field.read() ?? {} });
      show(view);
      await table.reload();
    };
    show(view, card(`The attributes of ${filename}`, form(page, "Save the attributes", save, field.element)));
    field.input.focus();
  };
  const remove = async (row, filename) => {
    if (!(await confirm(`Take ${filename} out of this vector store? The file is kept.`, "Remove"))) return;
    await send(fileOf(row), { method: "DELETE" });
    show(view);
    note(`${filename} is taken out.`);
    await table.reload();
  };
  status.addEventListener("input", () => table.reload().catch(page.fail));
  await table.reload();
  return {
    table: h("div", { class: "page" }, h("div", { class: "row" }, status), table.element, view),
    addition: addition(page, path, () => table.reload()),
    reload: () => table.reload(),
  };
}

function stateCell() {
  const status = statusCell();
  const reason = h("small", { class: "block wrap" });
  return {
    element: h("span", {}, status.element, reason),
    update(row) {
      status.update(row);
      setText(reason, row.last_error?.message ?? "");
    },
  };
}

function addition(page, path, done) {
  const files = h("input", { type: "file", multiple: true });
  const stored = storedFiles(page);
  const chunks = select([["auto", "As usual: 800 tokens, 400 of them shared"], ["static", "Of another size"]], "auto");
  const size = h("input", { type: "number", min: "100", max: "4096", value: "800" });
  const overlap = h("input", { type: "number", min: "0", max: "2048", value: "400" });
  const attributes = jsonField("Attributes", "A JSON object, for filters.");
  const uploads = uploader(page);
  const sizes = h("fieldset", { class: "pair" }, h("legend", { class: "hidden" }, "Size of the chunks"), field("Tokens of a chunk", size), field("Tokens that it shares with the next", overlap));
  const offer = () => {
    sizes.hidden = chunks.value === "auto";
  };
  chunks.addEventListener("input", offer);
  offer();
  const strategy = () =>
    chunks.value === "auto"
      ? { type: "auto" }
      : { type: "static", static: { max_chunk_size_tokens: Number(size.value), chunk_overlap_tokens: Number(overlap.value) } };
  const addOne = (id, given) => post(`${path}/files`, { file_id: id, chunking_strategy: strategy(), ...(given && { attributes: given }) });
  const sent = new WeakSet(); // so that what failed can be tried again without the others
  const addAll = async () => {
    const given = attributes.read();
    const list = [...files.files];
    if (!list.length && !stored.chosen().length) return uploads.say("Choose new files, or stored ones.");
    try {
      for (const id of stored.chosen()) await addOne(id, given);
      stored.clear();
      for (const file of list) {
        if (sent.has(file)) continue;
        const made = await uploads.upload(file, "assistants");
        sent.add(file);
        await addOne(made.id, given);
      }
      files.value = "";
      uploads.say("Added. They can be searched when they are completed.");
    } finally {
      await done().catch(page.fail);
    }
  };
  const fields = h("div", { class: "fields" }, field("New files", files), field("Chunks", chunks));
  return form(page, "Add", addAll, fields, stored.element, sizes, attributes.element, uploads.element);
}
