// What runs now: models, memory, queues, speed, and the requests with a way to end them.

import { post } from "../lib/api.js";
import { sparkline } from "../lib/charts.js";
import { button, card, h, setText } from "../lib/dom.js";
import { follow } from "../lib/follow.js";
import { bytes, duration, number } from "../lib/format.js";
import { confirm, note } from "../lib/notes.js";
import { Table } from "../lib/table.js";

export const title = "What runs now";

const KEPT = 120; // seconds of the small charts
const STATES = { ready: "loaded", loading: "loading", closing: "unloading", unloaded: "not loaded" };

export function open(page) {
  const figures = {
    speed: figure("Tokens a second", (value) => value.toFixed(value < 10 ? 1 : 0)),
    requests: figure("Requests", (value) => number(value)),
    waiting: figure("Waiting for a model", (value) => number(value)),
  };
  const memory = memoryCard();
  const models = new Table({
    caption: "Models that were requested since the start",
    empty: "No model was requested yet.",
    columns: [
      { title: "Model", text: (row) => row.id },
      { title: "State", cell: stateCell },
      { title: "Memory", number: true, text: (row) => (row.memory ? bytes(row.memory) : "–") },
      { title: "Slots in use", number: true, text: (row) => (row.slots ? `${row.running} of ${row.slots}` : "–") },
      { title: "Waiting", number: true, text: (row) => number(row.waiting) },
      { title: "Tokens/s", number: true, text: (row) => (row.speed ? row.speed.toFixed(1) : "–") },
      { title: "Unused for", number: true, text: (row) => (row.idle_seconds > 1 ? duration(row.idle_seconds) : "–") },
      { title: "Loads", number: true, text: (row) => number(row.loads) },
      { title: "Faults", text: faults },
    ],
  });
  const requests = new Table({
    caption: "Requests that are served now",
    empty: "No request is being served.",
    columns: [
      { title: "Request", cell: requestCell },
      { title: "Model", text: (row) => row.model ?? "–" },
      { title: "Caller", text: (row) => (row.background ? `${row.caller || "a job"} (background)` : row.caller || "–") },
      { title: "State", text: stage },
      { title: "Age", number: true, text: (row) => duration(row.age) },
      { title: "Tokens", number: true, text: (row) => number(row.tokens) },
      { title: "Cancel", hidden: true, cell: (row) => cancelButton(row, page) },
    ],
  });
  const uptime = h("p", { class: "faint" }, "…");
  page.main.append(
    uptime,
    h("div", { class: "figures" }, memory.element, Object.values(figures).map((one) => one.element)),
    card("Requests", requests.element),
    card("Models", models.element),
  );
  follow(page, "console/api/now", (state) => {
    setText(uptime, state.accepting ? `Up for ${duration(state.uptime)}.` : "The server is shutting down.");
    const own = state.requests.filter((one) => !one.path.startsWith("/console/"));
    figures.speed.update(state.speed);
    figures.requests.update(own.length);
    figures.waiting.update(state.models.reduce((sum, one) => sum + one.waiting, 0));
    memory.update(state);
    models.update(state.models);
    requests.update(own);
  });
}

function figure(label, text) {
  const value = h("p", { class: "value" }, "–");
  const chart = sparkline(label, { describe: text });
  const past = Array(KEPT).fill(0);
  return {
    element: h("div", { class: "figure", role: "group", "aria-label": label }, h("h2", {}, label), value, chart.element),
    update(latest) {
      past.push(latest);
      past.shift();
      setText(value, text(latest));
      chart.update(past);
    },
  };
}

function memoryCard() {
  const value = h("p", { class: "value" }, "–");
  const bar = h("meter", { min: "0", max: "1", "aria-label": "Memory of the loaded models" });
  const text = h("p", { class: "faint" }, "");
  return {
    element: h("div", { class: "figure", role: "group", "aria-label": "Memory" }, h("h2", {}, "Memory of models"), value, bar, text),
    update(state) {
      setText(value, bytes(state.memory));
      bar.value = state.memory_budget ? state.memory / state.memory_budget : 0;
      setText(text, `of ${bytes(state.memory_budget)}`);
    },
  };
}

function stateCell() {
  const element = h("span", { class: "badge" });
  return {
    element,
    update(row) {
      setText(element, STATES[row.state] ?? row.state);
      element.dataset.state = row.state;
    },
  };
}

function faults(row) {
  const counts = [
    [row.failed_loads, "failed loads"],
    [row.crashes, "crashes"],
    [row.refused, "refused"],
    [row.timeouts, "timed out"],
  ];
  const texts = counts.filter(([count]) => count > 0).map(([count, name]) => `${count} ${name}`);
  return texts.length ? texts.join(", ") : "none";
}

function requestCell(row) {
  return h("span", {}, `${row.method} ${row.path}`, h("small", { class: "faint block" }, row.id));
}

function stage(row) {
  if (row.first_event_at !== null) return "answering";
  if (row.leased_at !== null) return "reading the prompt";
  return row.model ? "waiting for the model" : "working";
}

function cancelButton(row, page) {
  if (!row.cancellable) return h("span", { class: "faint" }, "–");
  return button(
    "Cancel",
    async () => {
      if (!(await confirm(`Cancel ${row.method} ${row.path} of ${row.caller || "a job"}? Its client gets an error.`, "Cancel it"))) return;
      try {
        await post(`console/api/requests/${encodeURIComponent(row.id)}/cancel`);
        note("The request was cancelled.");
      } catch (error) {
        page.fail(error);
      }
    },
    { class: "quiet small", "aria-label": `Cancel ${row.method} ${row.path}` },
  );
}
