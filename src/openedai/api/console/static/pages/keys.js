// The keys of the database: what each may use; make and revoke them.

import { all, get, key, post, send } from "../lib/api.js";
import { add, button, card, checkbox, field, h, newId, select, show } from "../lib/dom.js";
import { moment } from "../lib/format.js";
import { confirm, note } from "../lib/notes.js";
import { Table } from "../lib/table.js";

export const title = "Keys";

const DAY = 86400;
const ENDS = [
  ["", "Never"],
  [DAY, "After a day"],
  [7 * DAY, "After 7 days"],
  [30 * DAY, "After 30 days"],
  [90 * DAY, "After 90 days"],
  [365 * DAY, "After a year"],
];

export async function open(page) {
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
    button("Revoke", () => revoke(row).catch(page.fail), { class: "danger small", "aria-label": `Revoke ${row.name}` });
  const revoke = async (row) => {
    if (!(await confirm(question(row, keys), "Revoke"))) return;
    page.fail(null);
    const path = `v1/organization/projects/${encodeURIComponent(row.project)}/api_keys/${encodeURIComponent(row.id)}`;
    await send(path, { method: "DELETE" });
    note(`${row.name} is revoked.`);
    await reload();
  };
  const { groups, limits } = await reload();
  const made = h("div", { class: "page", role: "status" });
  const form = creation(page, { groups, limits, projectOptions }, async (answer) => {
    show(made, await shown(answer));
    await reload();
  });
  add(
    page.main,
    h("p", { class: "faint" }, "Keys of the settings are not listed: they have no end and no limits of models. Every server refuses a revoked key from its next request on."),
    made,
    card("Keys", table.element),
    card("Make a key", form),
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
  const name = h("input", { type: "text", required: true, maxlength: "200", autocomplete: "off" });
  const project = h("input", { type: "text", maxlength: "200", autocomplete: "off", list: projectOptions.id });
  const owner = h("input", { type: "text", maxlength: "200", autocomplete: "off" });
  const models = h("input", { type: "text", spellcheck: "false", autocomplete: "off" });
  const end = select(ENDS, "");
  const { box: admin, element: adminSwitch } = checkbox("An admin key, which may do everything and manage the server");
  const scopes = groups.map((group) => ({ group, ...checkbox(group) }));
  const urls = h(
    "fieldset",
    { class: "choices" },
    h("legend", {}, "Groups of URLs; none for all of the API"),
    scopes.map((one) => one.element),
  );
  const amounts = limits.map((limit) => ({ limit, input: h("input", { type: "number", min: "1", step: "1" }) }));
  const mostUses = h(
    "details",
    {},
    h("summary", {}, "Limits"),
    h("p", { class: "faint" }, "Of all models together; empty for none. The bytes are of the project's files."),
    h("div", { class: "fields" }, amounts.map((one) => field(words(one.limit), one.input))),
  );
  admin.addEventListener("change", () => {
    urls.disabled = admin.checked;
  });
  const submit = h("button", { type: "submit" }, "Make the key");
  const create = async () => {
    const chosen = scopes.filter((one) => one.box.checked && !admin.checked).map((one) => one.group);
    const names = models.value.split(",").map((one) => one.trim()).filter(Boolean);
    const given = amounts.filter((one) => one.input.value).map((one) => [one.limit, Number(one.input.value)]);
    const answer = await post("console/api/keys", {
      name: name.value,
      owner: owner.value,
      admin: admin.checked,
      ...(project.value.trim() && { project: project.value }),
      ...(names.length && { models: names }),
      ...(chosen.length && { scopes: chosen }),
      ...(given.length && { limits: Object.fromEntries(given) }),
      ...(end.value && { expires_in_seconds: Number(end.value) }),
    });
    form.reset();
    urls.disabled = false;
    await done(answer);
  };
  const form = h(
    "form",
    {
      class: "page",
      onsubmit: (event) => {
        event.preventDefault();
        page.fail(null);
        submit.disabled = true;
        create().catch(page.fail).finally(() => {
          submit.disabled = false;
        });
      },
    },
    h(
      "div",
      { class: "fields" },
      field("Name", name),
      field("Project", project, "Its id or name. Without one a project of the key's name is made."),
      field("Owner", owner, "Whose it is, in your words."),
      field("Expires", end),
      field("Models", models, "Names with commas between them. Empty for all."),
    ),
    projectOptions,
    adminSwitch,
    urls,
    mostUses,
    h("div", { class: "row" }, submit),
  );
  return form;
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
  return h("span", { class: "wrap" }, row.name, " ", badge, h("small", { class: "faint block" }, facts));
}

function rights(row) {
  const urls = row.endpoints ? row.endpoints.join(", ") : row.admin ? "everything" : "all of the API";
  const models = row.models && `models ${row.models.join(", ")}`;
  const limits = Object.entries(row.limits).filter(([, most]) => most).map(([limit, most]) => `${most} ${words(limit)}`);
  return [urls, models, ...limits].filter(Boolean).join("; ");
}

function words(limit) {
  return limit.replaceAll("_", " ");
}

function expiry(row) {
  if (row.expired) return `expired ${moment(row.expires_at)}`;
  return row.expires_at ? moment(row.expires_at) : "never";
}

function question(row, keys) {
  const others = keys.some((one) => one.admin && !one.expired && one.id !== row.id);
  const last = row.admin && !others ? " It is the last admin key of the database: without one of the settings nobody could manage the server." : "";
  return `Revoke the key ${row.name} (${row.hint})? Whoever has it is refused from then on, and it cannot be given back.${last}`;
}
