// One vector store: what it has, its search and its files.

import { get, post, send } from "../../lib/api.js";
import { add, button, card, field, h, show } from "../../lib/dom.js";
import { bytes, moment } from "../../lib/format.js";
import { facts, form, statusBadge } from "../../lib/forms.js";
import { metadataRows } from "../../lib/metadata.js";
import { confirm, note } from "../../lib/notes.js";
import { poll } from "../../lib/poll.js";
import { storeFiles } from "./files.js";
import { searchBox } from "./search.js";

const EVERY = 2; // seconds

export async function openStore(page, id) {
  const path = `v1/vector_stores/${encodeURIComponent(id)}`;
  const first = await get(path, { signal: page.signal });
  const summary = h("div");
  let drawn = "";
  const changes = (store) => drawn !== (drawn = JSON.stringify(store));
  const files = await storeFiles(page, path);
  const reload = async () => {
    const store = await get(path, { signal: page.signal });
    if (!changes(store)) return;
    show(summary, about(store));
    await files.reload();
  };
  changes(first);
  show(summary, about(first));
  add(
    page.main,
    h("p", {}, h("a", { href: "#/vector_stores" }, "All vector stores")),
    card(first.name || first.id, summary),
    card("Search", searchBox(page, path)),
    card("Files", files.table),
    card("Add files", files.addition),
    card("Change", settings(page, path, first, reload), deletion(page, path, first)),
  );
  poll(page, EVERY, reload);
}

function about(store) {
  const counts = store.file_counts;
  const days = store.expires_after?.days;
  return facts([
    ["Id", h("span", { class: "mono" }, store.id)],
    ["Status", statusBadge(store.status)],
    ["Files", `${counts.completed} searchable, ${counts.in_progress} in progress, ${counts.failed} failed, ${counts.cancelled} cancelled`],
    ["Size", bytes(store.usage_bytes)],
    ["Embedding model", store.embedding_model],
    ["Description", store.description],
    ["Made", moment(store.created_at)],
    ["Last used", moment(store.last_active_at)],
    ["Expires", days ? `${moment(store.expires_at)}, ${days} days after its last use` : "never"],
    ["Metadata", Object.keys(store.metadata).length ? h("code", {}, JSON.stringify(store.metadata)) : null],
  ]);
}

function settings(page, path, store, done) {
  const name = h("input", { type: "text", maxlength: "256", value: store.name, "data-param": "name" });
  const days = h("input", { type: "number", min: "1", max: "365", value: store.expires_after?.days ?? "", "data-param": "expires_after" });
  const metadata = metadataRows(store.metadata);
  const change = async () => {
    await post(path, {
      name: name.value,
      expires_after: days.value ? { anchor: "last_active_at", days: Number(days.value) } : null,
      metadata: metadata.read(),
    });
    note("The vector store is changed.");
    await done();
  };
  const fields = h("div", { class: "fields" }, field("Name", name), field("Days without use until it expires", days, "Empty for never."));
  return form(page, "Save", change, fields, metadata.element);
}

function deletion(page, path, store) {
  const remove = async () => {
    if (!(await confirm(`Delete the vector store ${store.name || store.id}? Its files are kept.`, "Delete"))) return;
    await send(path, { method: "DELETE" });
    note("The vector store is deleted.");
    location.hash = "#/vector_stores";
  };
  return h("div", { class: "row" }, button("Delete the vector store", () => remove().catch(page.fail), { class: "danger" }));
}
