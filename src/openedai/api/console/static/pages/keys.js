// The keys of the database: what each may use; make and revoke them.

import { all, get, key, post } from "../lib/api.js";
import { add, button, card, checkbox, field, h, newId, show } from "../lib/dom.js";
import { moment, words } from "../lib/format.js";
import { form } from "../lib/forms.js";
import { note } from "../lib/notes.js";
import { Table } from "../lib/table.js";
import { keyFields } from "./keys/fields.js";
import { expiry, openKey, revoke } from "./keys/key.js";

export const title = "Keys";

export async function open(page) {
  if (page.path[0]) return openKey(page, page.path[0]);
  let keys = [];
  const { projects, element: projectOptions } = projectList();
  const table = new Table({
    caption: "Keys, and what they may use",
    empty: "There are no keys in the database.",
    columns: [
      { title: "Name", cell: nameCell },
      { title: "Project", text: (row) => projects.get(row.project) ?? row.project },
      { title: "May use", cell: (row) => h("span", { class: "wrap" }, rights(row)) },
      { title: "Last used", text: (row) => (row.last_used_at ? moment(row.last_used_at) : "never") },
      { title: "Expires", text: (row) => expiry(row) },
      { title: "Actions", hidden: true, class: "actions", cell: (row) => revokeButton(row) },
    ],
  });
  const reload = async () => {
    const [known, listed] = await Promise.all([
      get("console/api/keys", { signal: page.signal }),
      all("v1/organization/projects?limit=100&include_archived=true", { signal: page.signal }),
    ]);
    keys = known.keys;
    projects.set(listed);
    table.update(keys);
    return known;
  };
  const revokeButton = (row) =>
    button("Revoke", () => end(row).catch(page.fail), { class: "danger small", "aria-label": `Revoke ${row.name}` });
  const end = async (row) => {
    if (await revoke(page, row, keys)) await reload();
  };
  const { groups, limits } = await reload();
  const made = h("div", { class: "page", role: "status" });
  const making = creation(page, { groups, limits, projectOptions }, async (answer) => {
    show(made, await shown(answer));
    await reload();
  });
  add(
    page.main,
    h("p", { class: "faint" }, "Keys of the settings are not listed: they have no end and no limits of models. Every server refuses a revoked key from its next request on."),
    made,
    card("Keys", table.element),
    card("Make a key", making),
  );
}

// The names of projects by their ids, and those that are not archived as options of a field.
function projectList() {
  const names = new Map();
  const element = h("datalist", { id: newId("projects") });
  return {
    element,
    projects: {
      get: (id) => names.get(id),
      set(listed) {
        names.clear();
        for (const one of listed) names.set(one.id, one.name);
        const open = listed.filter((one) => one.status === "active");
        show(element, open.map((one) => h("option", { value: one.id }, one.name)));
      },
    },
  };
}

function creation(page, { groups, limits, projectOptions }, done) {
  const project = h("input", { type: "text", maxlength: "200", autocomplete: "off", list: projectOptions.id, "data-param": "project" });
  const { box: admin, element: adminSwitch } = checkbox("An admin key, which may do everything and manage the server");
  admin.dataset.param = "admin";
  const fields = keyFields({ groups, limits });
  admin.addEventListener("change", () => {
    fields.scopes.disabled = admin.checked;
  });
  const create = async (element) => {
    const answer = await post("console/api/keys", {
      ...fields.changed(),
      admin: admin.checked,
      ...(project.value.trim() && { project: project.value }),
    });
    element.reset();
    fields.scopes.disabled = false;
    await done(answer);
  };
  const inProject = field("Project", project, "Its id or name. Without one a project of the key's name is made.");
  const texts = h("div", { class: "fields" }, fields.name, inProject, fields.texts);
  return form(page, "Make the key", create, texts, projectOptions, adminSwitch, fields.scopes, fields.limits);
}

// The new key, which is shown this once. A server without keys needs one from now on: this tab's is the new one.
async function shown({ key: made, value, first }) {
  if (first) key.set(value);
  const text = h("input", { type: "text", readonly: true, class: "mono", "aria-label": `The key ${made.name}`, value });
  const copy = button("Copy", async () => {
    text.select();
    try {
      await navigator.clipboard.writeText(value);
      note("The key is copied.");
    } catch {
      note("The browser does not let pages copy here: the key is selected.");
    }
  });
  return card(
    `The key ${made.name}`,
    h("p", {}, "Only its digest is kept: it is shown this once."),
    h("div", { class: "row" }, h("div", { class: "grow" }, text), copy),
    first ? h("p", {}, "From now on every request needs a key, also on this machine. This tab uses the new one until it is closed.") : null,
  );
}

function nameCell(row) {
  const facts = [row.hint, row.owner].filter(Boolean).join(" · ");
  const badge = row.admin ? h("span", { class: "badge", "data-state": "ready" }, "admin") : null;
  const link = h("a", { href: `#/keys/${encodeURIComponent(row.id)}` }, row.name);
  return h("span", { class: "wrap" }, link, " ", badge, h("small", { class: "faint block" }, facts));
}

function rights(row) {
  const urls = row.endpoints ? row.endpoints.join(", ") : row.admin ? "everything" : "all of the API";
  const models = row.models && `models ${row.models.join(", ")}`;
  const limits = Object.entries(row.limits).filter(([, most]) => most).map(([limit, most]) => `${most} ${words(limit)}`);
  return [urls, models, ...limits].filter(Boolean).join("; ");
}
