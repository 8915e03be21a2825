// The fields of a key: what it is called, and what and how much it may use until when.

import { checkbox, field, h, select } from "../../lib/dom.js";
import { moment, words } from "../../lib/format.js";

const DAY = 86400;
const ENDS = [
  ["never", "Never"],
  [DAY, "After a day"],
  [7 * DAY, "After 7 days"],
  [30 * DAY, "After 30 days"],
  [90 * DAY, "After 90 days"],
  [365 * DAY, "After a year"],
];
const NEW = { name: "", owner: "", models: null, endpoints: null, expires_at: null, limits: {}, storage_bytes: null };
const STORAGE = "storage_bytes";

// The elements, and `changed()`: what of `key` is another now, as the body of a request. Without a key they
// are those of a new one.
export function keyFields({ groups, limits }, key = NEW) {
  const name = h("input", { type: "text", required: true, maxlength: "200", autocomplete: "off", "data-param": "name" });
  const owner = h("input", { type: "text", maxlength: "200", autocomplete: "off", "data-param": "owner" });
  const models = h("input", { type: "text", spellcheck: "false", autocomplete: "off", "data-param": "models" });
  const stays = key.expires_at ? [["", `As it is: ${moment(key.expires_at)}`]] : [];
  const end = select([...stays, ...ENDS], key.expires_at ? "" : "never", { "data-param": "expires_in_seconds" });
  for (const [control, value] of [[name, key.name], [owner, key.owner], [models, (key.models ?? []).join(", ")]]) {
    control.defaultValue = value;
  }
  const scopes = scopesOf(groups, key);
  const amounts = amountsOf(limits, key);
  const before = { end: end.value, models: names(models), scopes: scopes.chosen().join() };
  const changed = () => ({
    ...(name.value !== key.name && { name: name.value }),
    ...(owner.value !== key.owner && { owner: owner.value }),
    ...(names(models).join() !== before.models.join() && { models: names(models) }),
    ...(scopes.chosen().join() !== before.scopes && { scopes: scopes.chosen() }),
    ...(end.value !== before.end && { expires_in_seconds: end.value === "never" ? null : Number(end.value) }),
    ...amounts.changed(),
  });
  return {
    name: field("Name", name),
    texts: [
      field("Owner", owner, "Whose it is, in your words."),
      field("Expires", end),
      field("Models", models, "Names with commas between them. Empty for all."),
    ],
    scopes: scopes.element,
    limits: amounts.element,
    changed,
  };
}

function names(input) {
  return input.value.split(",").map((one) => one.trim()).filter(Boolean);
}

function scopesOf(groups, key) {
  const boxes = groups.map((group) => ({ group, ...checkbox(group, (key.endpoints ?? []).includes(group)) }));
  const element = h(
    "fieldset",
    { class: "choices", "data-param": "scopes", disabled: Boolean(key.admin) },
    h("legend", {}, "Groups of URLs; none for all of the API"),
    boxes.map((one) => one.element),
  );
  const chosen = () => (element.disabled ? [] : boxes.filter((one) => one.box.checked).map((one) => one.group));
  return { element, chosen };
}

// A field for each limit. One that is emptied is no limit any more, which the API calls 0.
function amountsOf(limits, key) {
  const of = (limit) => (limit === STORAGE ? key.storage_bytes : key.limits[limit]) || "";
  const fields = limits.map((limit) => {
    const input = h("input", { type: "number", min: "1", step: "1", "data-param": `limits.${limit}` });
    input.defaultValue = of(limit);
    return { limit, input, element: field(words(limit), input) };
  });
  const changed = () => {
    const others = fields.filter(({ limit, input }) => input.value !== String(of(limit)));
    return others.length ? { limits: Object.fromEntries(others.map(({ limit, input }) => [limit, Number(input.value)])) } : {};
  };
  const element = h(
    "details",
    { open: Object.values(key.limits).some(Boolean) },
    h("summary", {}, "Limits"),
    h("p", { class: "faint" }, "Of all models together; empty for none. The bytes are of the project's files."),
    h("div", { class: "fields" }, fields.map((one) => one.element)),
  );
  return { element, changed };
}
