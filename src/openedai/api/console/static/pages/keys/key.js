// One key: what is known of it, and a form to change it.

import { ApiError, get, post, send } from "../../lib/api.js";
import { add, button, card, h, show } from "../../lib/dom.js";
import { moment } from "../../lib/format.js";
import { facts, form } from "../../lib/forms.js";
import { confirm, note } from "../../lib/notes.js";
import { keyFields } from "./fields.js";

export async function openKey(page, id) {
  const { keys, ...choices } = await get("console/api/keys", { signal: page.signal });
  const found = keys.find((one) => one.id === id);
  if (!found) throw new ApiError(`There is no key '${id}' that is not revoked.`);
  const summary = h("div");
  const changing = h("div");
  const project = await get(`v1/organization/projects/${encodeURIComponent(found.project)}`, { signal: page.signal });
  const draw = (key) => {
    show(summary, about(key, project));
    show(changing, key.expired ? h("p", {}, "It has expired, and cannot be changed any more: make another one.") : change(key));
  };
  const change = (key) => {
    const fields = keyFields(choices, key);
    const save = async () => {
      const changed = fields.changed();
      if (!Object.keys(changed).length) return note("Nothing was changed.");
      draw(await post(`console/api/keys/${encodeURIComponent(id)}`, changed, { signal: page.signal }));
      note(`${key.name} is changed.`);
    };
    return form(page, "Save", save, h("div", { class: "fields" }, fields.name, fields.texts), fields.scopes, fields.limits);
  };
  const end = async () => {
    if ((await revoke(page, found, keys)) && !page.signal.aborted) location.hash = "#/keys";
  };
  draw(found);
  add(
    page.main,
    h("p", {}, h("a", { href: "#/keys" }, "All keys")),
    card("The key", summary, h("div", { class: "row" }, button("Revoke", () => end().catch(page.fail), { class: "danger" }))),
    card("Change it", h("p", { class: "faint" }, "Every server knows it by the next request. The key itself, its project and whether it is an admin's stay."), changing),
  );
}

function about(key, project) {
  return facts([
    ["Name", key.name],
    ["Key", h("span", { class: "mono" }, key.hint)],
    ["Id", h("span", { class: "mono" }, key.id)],
    ["Project", [project.name, " ", h("small", { class: "mono" }, project.id)]],
    ["Owner", key.owner],
    ["May", key.admin ? "manage the server" : null],
    ["Made", moment(key.created_at)],
    ["Last used", key.last_used_at ? moment(key.last_used_at) : "never"],
    ["Expires", expiry(key)],
  ]);
}

export function expiry(key) {
  if (key.expired) return `expired ${moment(key.expires_at)}`;
  return key.expires_at ? moment(key.expires_at) : "never";
}

// Asks, and revokes a key, of which `keys` are all. Returns whether it did.
export async function revoke(page, key, keys) {
  if (!(await confirm(question(key, keys), "Revoke"))) return false;
  page.fail(null);
  const path = `v1/organization/projects/${encodeURIComponent(key.project)}/api_keys/${encodeURIComponent(key.id)}`;
  await send(path, { method: "DELETE" });
  note(`${key.name} is revoked.`);
  return true;
}

function question(key, keys) {
  const others = keys.some((one) => one.admin && !one.expired && one.id !== key.id);
  const last = key.admin && !others ? " It is the last admin key of the database: without one of the settings nobody could manage the server." : "";
  return `Revoke the key ${key.name} (${key.hint})? Whoever has it is refused from then on, and it cannot be given back.${last}`;
}
