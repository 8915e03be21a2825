// The server's log: the last lines, and new ones as they come. Prompts are not in it.

import { add, button, card, checkbox, h, select, setText } from "../lib/dom.js";
import { follow } from "../lib/follow.js";
import { clock } from "../lib/format.js";

export const title = "Logs";

const KEPT = 1000;
const LEVELS = ["debug", "info", "warning", "error", "critical"];
const OWN = /^[A-Z]+ \/console\//;

export function open(page) {
  const lines = [];
  const filter = h("input", { type: "search", "aria-label": "Only lines with", placeholder: "Only lines with …" });
  const level = select(LEVELS.slice(0, 4).map((name) => [name, name === "debug" ? "Every level" : `From ${name} on`]), "debug", {
    "aria-label": "Level",
  });
  const { box: following, element: followSwitch } = checkbox("Follow", true);
  const { box: own, element: ownSwitch } = checkbox("The console's requests");
  const count = h("p", { class: "faint", role: "status" });
  const list = h("div", { class: "log", tabindex: "0", role: "log", "aria-live": "off", "aria-label": "Lines of the log" });

  const isShown = (line) => {
    const text = `${line.message} ${line.logger} ${Object.values(line.fields).join(" ")}`.toLowerCase();
    if (!own.checked && OWN.test(line.message)) return false;
    return LEVELS.indexOf(line.level) >= LEVELS.indexOf(level.value) && text.includes(filter.value.trim().toLowerCase());
  };
  const draw = (wanted) => {
    add(list, wanted.filter((line) => line.element ??= lineOf(line)).map((line) => line.element));
    while (list.children.length > KEPT) list.firstChild.remove();
    setText(count, `${list.children.length} of ${lines.length} lines`);
    if (following.checked) list.scrollTop = list.scrollHeight;
  };
  const redraw = () => {
    list.replaceChildren();
    draw(lines.filter(isShown));
  };
  filter.addEventListener("input", redraw);
  level.addEventListener("input", redraw);
  own.addEventListener("input", redraw);
  add(
    page.main,
    card(
      "Last lines",
      h(
        "div",
        { class: "row" },
        h("div", { class: "grow" }, filter),
        level,
        ownSwitch,
        followSwitch,
        button("Clear", () => {
          lines.length = 0;
          redraw();
        }, { class: "quiet" }),
      ),
      count,
      list,
    ),
  );
  let last = 0;
  follow(page, "console/api/logs", (sent) => {
    const fresh = sent.filter((line) => line.number > last);
    last = sent.at(-1)?.number ?? last;
    lines.push(...fresh);
    lines.splice(0, Math.max(0, lines.length - KEPT));
    draw(fresh.filter(isShown));
  });
}

function lineOf(line) {
  const fields = Object.entries(line.fields).map(([name, value]) => `${name}=${value}`);
  return h(
    "div",
    { class: line.level },
    h("time", { datetime: new Date(line.time * 1000).toISOString() }, clock(line.time)),
    " ",
    line.level === "info" ? null : h("span", { class: "badge", "data-state": line.level }, line.level),
    " ",
    line.message,
    " ",
    h("span", { class: "faint" }, fields.join(" ")),
    line.trace ? h("pre", {}, line.trace) : null,
  );
}
