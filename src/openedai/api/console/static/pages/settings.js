// The settings as they are in force, and where each comes from.

import { get } from "../lib/api.js";
import { add, card, checkbox, h, show } from "../lib/dom.js";
import { Table } from "../lib/table.js";

export const title = "Settings";

const ORIGINS = { default: "default", file: "file", environment: "environment", flag: "flag" };

export async function open(page) {
  const { settings } = await get("console/api/settings", { signal: page.signal });
  const filter = h("input", { type: "search", "aria-label": "Find a setting", placeholder: "Find a setting" });
  const { box: changed, element: changedSwitch } = checkbox("Only those that were set");
  const groups = h("div", { class: "page" });
  const draw = () => {
    const words = filter.value.trim().toLowerCase();
    const found = settings.filter(
      (one) => `${one.name} ${one.meaning}`.toLowerCase().includes(words) && (!changed.checked || one.origin !== "default"),
    );
    const names = [...new Set(found.map((one) => one.group))];
    const cards = names.map((name) => card(heading(name), table(name, found.filter((one) => one.group === name))));
    show(groups, cards.length ? cards : h("p", { class: "empty", role: "status" }, "No such setting."));
  };
  filter.addEventListener("input", draw);
  changed.addEventListener("input", draw);
  add(
    page.main,
    h("p", { class: "faint" }, "They are read when the server starts: flags go before the environment, that before the file openedai.toml, and that before the defaults. Secrets are never shown."),
    h("div", { class: "row" }, h("div", { class: "grow" }, filter), changedSwitch),
    groups,
  );
  draw();
}

function heading(name) {
  const words = name.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
  return words[0].toUpperCase() + words.slice(1);
}

function table(name, rows) {
  const made = new Table({
    caption: `Settings: ${heading(name)}`,
    key: (row) => row.name,
    columns: [
      { title: "Setting", cell: (row) => h("span", {}, h("code", {}, row.name), h("small", { class: "faint block" }, row.meaning.replaceAll("`", ""))) },
      { title: "Value", class: "value-cell", cell: (row) => h("code", { class: "wrap" }, text(row.value)) },
      { title: "From", cell: (row) => h("span", { class: "badge", "data-state": row.origin === "default" ? "default" : "ready" }, ORIGINS[row.origin]) },
      { title: "Default", cell: (row) => h("code", { class: "faint wrap" }, row.origin === "default" ? "" : text(row.default)) },
    ],
  });
  made.update(rows);
  return made.element;
}

function text(value) {
  if (value === null || value === "") return "–";
  return typeof value === "string" ? value : JSON.stringify(value);
}
