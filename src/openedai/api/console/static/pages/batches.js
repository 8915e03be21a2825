// The batches: how far they are, what came out, and new ones.

import { get, post } from "../lib/api.js";
import { add, button, card, field, h, setText, show } from "../lib/dom.js";
import { beginning, download, fileChoice } from "../lib/files.js";
import { moment, number } from "../lib/format.js";
import { facts, form, statusBadge, statusCell } from "../lib/forms.js";
import { metadataRows } from "../lib/metadata.js";
import { confirm, note } from "../lib/notes.js";
import { PagedTable } from "../lib/paged.js";
import { poll } from "../lib/poll.js";
import { Table } from "../lib/table.js";

export const title = "Batches";

const EVERY = 2; // seconds
const OPEN = ["validating", "in_progress", "finalizing"];
const ENDED = ["completed", "failed", "expired", "cancelled"];

export async function open(page) {
  if (page.path[0]) return openBatch(page, page.path[0]);
  const table = new PagedTable(page, () => "v1/batches", {
    caption: "Batches, the newest first",
    empty: "There are no batches.",
    columns: [
      { title: "Batch", cell: (row) => h("a", { class: "mono wrap", href: `#/batches/${encodeURIComponent(row.id)}` }, row.id) },
      { title: "For", text: (row) => [row.endpoint, row.model].filter(Boolean).join(" · ") },
      { title: "Status", cell: statusCell },
      { title: "Requests", cell: progressCell },
      { title: "Made", text: (row) => moment(row.created_at) },
    ],
  });
  const creation = await newBatch(page);
  add(page.main, card("Batches", table.element), card("Make a batch", creation));
  await table.reload();
  poll(page, EVERY, () => table.reload());
}

async function openBatch(page, id) {
  const path = `v1/batches/${encodeURIComponent(id)}`;
  const summary = h("div", { class: "page" });
  const errors = new Table({
    caption: "What is wrong with the input file",
    empty: "Nothing is wrong with the input file.",
    key: (row) => `${row.line} ${row.code} ${row.message}`,
    columns: [
      { title: "Line", text: (row) => number(row.line) },
      { title: "Code", text: (row) => row.code },
      { title: "What", cell: (row) => h("span", { class: "wrap" }, row.message) },
    ],
  });
  const cancel = button("Cancel the batch", () => stop().catch(page.fail), { class: "danger" });
  const results = h("div", { class: "page" });
  let drawn = "";
  let files = "";
  let ended = false;
  const draw = (batch) => {
    ended = ENDED.includes(batch.status);
    const text = JSON.stringify(batch);
    if (text === drawn) return;
    drawn = text;
    show(summary, about(batch));
    errors.update(batch.errors?.data ?? []);
    cancel.hidden = !OPEN.includes(batch.status);
    const made = [["Results", batch.output_file_id], ["Errors", batch.error_file_id], ["Input", batch.input_file_id]].filter(([, file]) => file);
    if (files === (files = made.join())) return;
    show(results, made.map(([label, file]) => fileRow(page, label, file)));
  };
  const reload = async () => draw(await get(path, { signal: page.signal }));
  const stop = async () => {
    if (!(await confirm("Cancel this batch? What is done is kept.", "Cancel the batch"))) return;
    page.fail(null);
    draw(await post(`${path}/cancel`, {}));
    note("The batch is being cancelled.");
  };
  await reload();
  add(
    page.main,
    h("p", {}, h("a", { href: "#/batches" }, "All batches")),
    card("The batch", summary, h("div", { class: "row" }, cancel)),
    card("Files", results),
    card("Errors in the input", errors.element),
  );
  poll(page, EVERY, reload, () => !ended);
}

function about(batch) {
  const counts = batch.request_counts;
  const ends = ["completed_at", "failed_at", "expired_at", "cancelled_at"];
  const ended = ends.map((name) => batch[name]).find(Boolean);
  const bar = h("progress", { max: String(counts.total || 1), "aria-label": "Requests that are done" });
  bar.value = counts.completed + counts.failed;
  return [
    bar,
    facts([
      ["Id", h("span", { class: "mono" }, batch.id)],
      ["Status", statusBadge(batch.status)],
      ["Requests", countsOf(counts)],
      ["For", batch.endpoint],
      ["Model", batch.model],
      ["Tokens", `${number(batch.usage.input_tokens)} read, ${number(batch.usage.output_tokens)} written`],
      ["Made", moment(batch.created_at)],
      ["Begun", batch.in_progress_at && moment(batch.in_progress_at)],
      ["Ended", ended && moment(ended)],
      ["Expires", OPEN.includes(batch.status) ? moment(batch.expires_at) : null],
      ["Metadata", batch.metadata && h("code", {}, JSON.stringify(batch.metadata))],
    ]),
  ];
}

function fileRow(page, label, id) {
  const view = h("div", { role: "region", "aria-label": `${label}: the beginning` });
  const act = (name, work) =>
    button(name, () => {
      page.fail(null);
      work().catch(page.fail);
    }, { class: "quiet small", "aria-label": `${name} ${label.toLowerCase()}` });
  const see = async () => {
    const { text, whole } = await beginning(id, { signal: page.signal });
    show(view, h("pre", { class: "result", tabindex: "0" }, text), whole ? null : h("p", { class: "faint" }, "The rest is not shown."));
  };
  const save = () => download(id, `${id}.jsonl`, { signal: page.signal });
  return h(
    "div",
    { class: "page" },
    h("div", { class: "row" }, h("h3", {}, label), h("span", { class: "mono wrap" }, id), act("View", see), act("Download", save)),
    view,
  );
}

// The URL that a batch is for is in the lines of its file: it is taken from the first one.
async function newBatch(page) {
  const choice = await fileChoice(page, "Requests", "batch", { hint: "A file with a request in each line." });
  const endpoint = h("input", { type: "text", required: true, spellcheck: "false", autocomplete: "off", value: "/v1/chat/completions" });
  const metadata = metadataRows();
  const look = async () => {
    let text = "";
    if (choice.stored.value) text = (await beginning(choice.stored.value, { signal: page.signal })).text;
    else if (choice.fresh.files[0]) text = await choice.fresh.files[0].slice(0, 65536).text();
    const url = /"url"\s*:\s*"(\/[\w/]+)"/.exec(text.split("\n", 1)[0]);
    if (url) endpoint.value = url[1];
  };
  for (const control of [choice.stored, choice.fresh]) control.addEventListener("change", () => look().catch(page.fail));
  const create = async () => {
    const given = metadata.read();
    const made = await post("v1/batches", {
      input_file_id: await choice.id(),
      endpoint: endpoint.value.trim(),
      completion_window: "24h",
      ...(Object.keys(given).length && { metadata: given }),
    });
    location.hash = `#/batches/${encodeURIComponent(made.id)}`;
  };
  const fields = h("div", { class: "fields" }, choice.elements, field("URL", endpoint, "Taken from the first line."));
  return form(page, "Make the batch", create, fields, metadata.element);
}

function progressCell() {
  const bar = h("progress", {});
  const text = h("small", { class: "block" });
  return {
    element: h("span", {}, bar, text),
    update(row) {
      const counts = row.request_counts;
      bar.max = counts.total || 1;
      bar.value = counts.completed + counts.failed;
      bar.setAttribute("aria-label", `Requests of ${row.id} that are done`);
      setText(text, countsOf(counts));
    },
  };
}

function countsOf(counts) {
  const failed = counts.failed ? `, ${number(counts.failed)} failed` : "";
  return `${number(counts.completed)} of ${number(counts.total)} done${failed}`;
}
