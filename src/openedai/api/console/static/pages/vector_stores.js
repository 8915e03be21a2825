// The vector stores: those that there are, and each with its files and a search.

import { post } from "../lib/api.js";
import { add, card, field, h } from "../lib/dom.js";
import { bytes, moment } from "../lib/format.js";
import { form, statusCell } from "../lib/forms.js";
import { metadataRows } from "../lib/metadata.js";
import { PagedTable } from "../lib/paged.js";
import { poll } from "../lib/poll.js";
import { openStore } from "./vector_stores/store.js";

export const title = "Vector stores";

const EVERY = 3; // seconds

export async function open(page) {
  if (page.path[0]) return openStore(page, page.path[0]);
  const table = new PagedTable(page, () => "v1/vector_stores", {
    caption: "Vector stores, the newest first",
    empty: "There are no vector stores.",
    columns: [
      { title: "Name", cell: nameCell },
      { title: "Status", cell: statusCell },
      { title: "Files", text: (row) => filesOf(row.file_counts) },
      { title: "Size", number: true, text: (row) => bytes(row.usage_bytes) },
      { title: "Model", text: (row) => row.embedding_model },
      { title: "Last used", text: (row) => moment(row.last_active_at) },
    ],
  });
  add(page.main, card("Vector stores", table.element), card("Make a vector store", creation(page)));
  await table.reload();
  poll(page, EVERY, () => table.reload());
}

function creation(page) {
  const name = h("input", { type: "text", required: true, maxlength: "256", autocomplete: "off", "data-param": "name" });
  const model = h("input", { type: "text", spellcheck: "false", autocomplete: "off", "data-param": "embedding_model model" });
  const days = h("input", { type: "number", min: "1", max: "365", "data-param": "expires_after" });
  const metadata = metadataRows();
  const create = async () => {
    const given = metadata.read();
    const made = await post("v1/vector_stores", {
      name: name.value,
      ...(model.value.trim() && { embedding_model: model.value.trim() }),
      ...(days.value && { expires_after: { anchor: "last_active_at", days: Number(days.value) } }),
      ...(Object.keys(given).length && { metadata: given }),
    });
    location.hash = `#/vector_stores/${encodeURIComponent(made.id)}`;
  };
  return form(
    page,
    "Make the vector store",
    create,
    h(
      "div",
      { class: "fields" },
      field("Name", name),
      field("Embedding model", model, "Empty for the default. It cannot be changed later."),
      field("Days without use until it expires", days, "Empty for never."),
    ),
    metadata.element,
  );
}

function nameCell() {
  const link = h("a", {});
  return {
    element: h("span", { class: "wrap" }, link),
    update(row) {
      link.textContent = row.name || row.id;
      link.href = `#/vector_stores/${encodeURIComponent(row.id)}`;
    },
  };
}

function filesOf(counts) {
  const rest = [counts.in_progress && `${counts.in_progress} in progress`, counts.failed && `${counts.failed} failed`];
  return [String(counts.total), ...rest.filter(Boolean)].join(", ");
}
