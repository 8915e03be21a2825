// The stored files: upload, see, download and delete them.

import { send } from "../lib/api.js";
import { add, button, card, field, h, newId, select, show } from "../lib/dom.js";
import { beginning, download } from "../lib/files.js";
import { bytes, moment } from "../lib/format.js";
import { form } from "../lib/forms.js";
import { confirm, note } from "../lib/notes.js";
import { PagedTable } from "../lib/paged.js";
import { uploader } from "../lib/uploads.js";

export const title = "Files";

const PURPOSES = [
  ["user_data", "Any use (user_data)"],
  ["assistants", "Vector stores and assistants"],
  ["batch", "Batches"],
  ["fine-tune", "Fine-tuning"],
  ["vision", "Images for models"],
  ["evals", "Evaluations"],
];
const MADE = [
  ["batch_output", "Results of batches"],
  ["fine-tune-results", "Results of fine-tuning"],
  ["assistants_output", "Made by assistants"],
];
const ENDS = [
  ["0", "By default"],
  ["1", "After a day"],
  ["7", "After 7 days"],
  ["30", "After 30 days"],
];

export async function open(page) {
  const purpose = select([["", "Every purpose"], ...PURPOSES, ...MADE], "", { "aria-label": "Purpose" });
  const view = h("div", { class: "page", role: "region", "aria-label": "The file", "aria-live": "polite" });
  const table = new PagedTable(page, () => `v1/files${purpose.value ? `?purpose=${purpose.value}` : ""}`, {
    caption: "Files, the newest first",
    empty: "There are no files.",
    columns: [
      { title: "Name", cell: (row) => h("span", { class: "wrap" }, row.filename, h("small", { class: "faint block mono" }, row.id)) },
      { title: "Purpose", text: (row) => row.purpose },
      { title: "Size", number: true, text: (row) => bytes(row.bytes) },
      { title: "Made", text: (row) => moment(row.created_at) },
      { title: "Expires", text: (row) => (row.expires_at ? moment(row.expires_at) : "never") },
      { title: "Actions", hidden: true, class: "actions", cell: (row) => actions(row) },
    ],
  });
  const actions = (row) => {
    const act = (label, work, kind = "quiet") =>
      button(label, () => {
        page.fail(null);
        work(row).catch(page.fail);
      }, { class: `${kind} small`, "aria-label": `${label} ${row.filename}` });
    return h("div", { class: "row end" }, act("View", see), act("Download", save), act("Delete", remove, "danger"));
  };
  const see = async (row) => {
    const { text, whole } = await beginning(row.id, { signal: page.signal });
    const end = whole ? null : h("p", { class: "faint" }, "The rest is not shown.");
    show(view, card(row.filename, h("pre", { class: "result", tabindex: "0" }, text || "The file is empty."), end));
    view.scrollIntoView({ block: "nearest" });
  };
  const save = (row) => download(row.id, row.filename, { signal: page.signal });
  const remove = async (row) => {
    if (!(await confirm(`Delete ${row.filename}? It is taken out of all vector stores too.`, "Delete"))) return;
    await send(`v1/files/${encodeURIComponent(row.id)}`, { method: "DELETE" });
    show(view);
    note(`${row.filename} is deleted.`);
    await table.reload();
  };
  purpose.addEventListener("input", () => table.reload().catch(page.fail));
  add(
    page.main,
    card("Upload", uploading(page, () => table.reload())),
    card("Files", h("div", { class: "row" }, purpose), table.element),
    view,
  );
  await table.reload();
}

// Files that are chosen, or dropped, are uploaded one after the other.
function uploading(page, done) {
  const purpose = select(PURPOSES, "user_data");
  const end = select(ENDS, "0");
  const files = h("input", { type: "file", multiple: true, required: true, id: newId("files") });
  const uploads = uploader(page);
  const sent = new WeakSet(); // so that what failed can be tried again without the others
  let busy = false;
  const uploadAll = async (list) => {
    if (busy) return note("Other files are being uploaded: wait until they are.");
    busy = true;
    try {
      for (const [index, file] of list.entries()) {
        if (sent.has(file)) continue;
        await uploads.upload(file, purpose.value, { days: Number(end.value), position: ` (${index + 1} of ${list.length})` });
        sent.add(file);
      }
      files.value = "";
      uploads.say(list.length === 1 ? `${list[0].name} is uploaded.` : `${list.length} files are uploaded.`);
    } finally {
      busy = false;
      await done().catch(page.fail);
    }
  };
  const fields = h("div", { class: "fields" }, field("Files", files), field("For", purpose), field("Expires", end));
  const element = form(page, "Upload", () => uploadAll([...files.files]), h("p", { class: "faint" }, "Choose files, or drop them here."), fields, uploads.element);
  const over = (on) => element.classList.toggle("dropping", on);
  element.addEventListener("dragover", (event) => {
    event.preventDefault();
    over(true);
  });
  element.addEventListener("dragleave", () => over(false));
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    over(false);
    page.fail(null);
    uploadAll([...event.dataTransfer.files]).catch(page.fail);
  });
  return element;
}
