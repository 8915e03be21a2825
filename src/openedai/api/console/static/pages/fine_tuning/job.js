// One fine-tuning job: its loss curves, checkpoints, events and results, live while it trains.

import { all, get, post } from "../../lib/api.js";
import { lineChart } from "../../lib/charts.js";
import { add, button, card, h, show } from "../../lib/dom.js";
import { download } from "../../lib/files.js";
import { clock, moment, number, words } from "../../lib/format.js";
import { facts, statusBadge } from "../../lib/forms.js";
import { confirm, note } from "../../lib/notes.js";
import { poll } from "../../lib/poll.js";
import { Table } from "../../lib/table.js";

const EVERY = 2; // seconds
const PAGE = 100; // events
const OPEN = ["validating_files", "queued", "running", "paused"];
// The metrics of the charts, with their names in words.
const CHARTS = [
  ["Loss", { train_loss: "training", valid_loss: "validation" }],
  ["Accuracy of preferences", { train_reward_accuracy: "training", valid_reward_accuracy: "validation" }],
  ["Reward margin", { train_reward_margin: "training", valid_reward_margin: "validation" }],
  ["Accuracy of tokens", { train_mean_token_accuracy: "training", valid_mean_token_accuracy: "validation" }],
  ["Learning rate", { learning_rate: "training" }],
];

export async function openJob(page, id) {
  const path = `v1/fine_tuning/jobs/${encodeURIComponent(id)}`;
  const events = new Events(page, path);
  const summary = h("div", { class: "page" });
  const controls = h("div", { class: "row" });
  const curves = h("div", { class: "page" });
  const results = h("div", { class: "row" });
  const numbers = h("div");
  let steps = null;
  let status = "";
  const checkpoints = checkpointTable();
  const messages = eventTable();
  const drawn = {};
  // Draws a part again if what it shows has changed.
  const part = (name, values, draw) => {
    const text = JSON.stringify(values);
    if (drawn[name] !== text) draw((drawn[name] = text) && values);
  };
  const change = (action, label, { question, after }) => {
    const run = async () => {
      if (question && !(await confirm(question, label))) return;
      page.fail(null);
      await post(`${path}/${action}`, {});
      note(after);
      await reload();
    };
    return button(label, () => run().catch(page.fail), { class: action === "cancel" ? "danger" : "quiet" });
  };
  const reload = async () => {
    // First the job: of one that has ended the rest is whole, and nothing is asked for again.
    const job = await get(path, { signal: page.signal });
    const [saved] = await Promise.all([all(`${path}/checkpoints?limit=100`, { signal: page.signal }), events.reload()]);
    status = job.status;
    part("job", job, () => show(summary, about(job)));
    part("controls", job.status, () => show(controls, controlsOf(job, change)));
    part("results", job.result_files, () => show(results, job.result_files.map((file) => resultButton(page, file))));
    part("numbers", metricsOf(events.metrics), (names) => show(numbers, (steps = stepTable(names)).element));
    part("curves", events.metrics, () => {
      show(curves, charts(events.metrics));
      steps.update([...events.metrics].reverse());
    });
    checkpoints.update(saved);
    messages.update(events.list);
  };
  await reload();
  add(
    page.main,
    h("p", {}, h("a", { href: "#/fine_tuning" }, "All fine-tuning jobs")),
    card("The job", summary, controls, results),
    card("Loss curves", curves, h("details", {}, h("summary", {}, "The numbers of each step"), numbers)),
    card("Checkpoints", checkpoints.element),
    card("Events", messages.element),
  );
  poll(page, EVERY, reload, () => OPEN.includes(status));
}

// The events of a job, the newest first, of which only new ones are read again.
class Events {
  constructor(page, path) {
    this.page = page;
    this.path = path;
    this.list = [];
    this.metrics = []; // of each step, in their order
  }

  async reload() {
    const known = new Set(this.list.map((one) => one.id));
    const fresh = [];
    for (let after = ""; ; ) {
      const found = await get(`${this.path}/events?limit=${PAGE}${after}`, { signal: this.page.signal });
      const unknown = found.data.filter((one) => !known.has(one.id));
      fresh.push(...unknown);
      if (!found.has_more || unknown.length < found.data.length) break;
      after = `&after=${encodeURIComponent(found.data.at(-1).id)}`;
    }
    this.list = [...fresh, ...this.list];
    // A job that goes on after a kill does the steps since its last checkpoint again.
    const steps = new Map();
    for (const { data } of [...this.list].reverse()) if (data?.step) steps.set(data.step, data);
    this.metrics = [...steps.values()].sort((a, b) => a.step - b.step);
  }
}

function about(job) {
  const { hyperparameters } = job.method[job.method.type];
  const tried = job.fine_tuned_model && h("a", { href: "#/playground/chat", onclick: () => sessionStorage.setItem("openedai.model.chat", job.fine_tuned_model) }, "Try it in the playground");
  return [
    job.error?.message ? h("p", { class: "error" }, job.error.message) : null,
    facts([
      ["Id", h("span", { class: "mono" }, job.id)],
      ["Status", statusBadge(job.status)],
      ["Model", job.model],
      ["New model", job.fine_tuned_model && [h("span", { class: "mono" }, job.fine_tuned_model), " ", tried]],
      ["Method", job.method.type],
      ...Object.entries(hyperparameters).map(([name, value]) => [words(name), String(value)]),
      ["Seed", String(job.seed)],
      ["Trained tokens", job.trained_tokens === null ? null : number(job.trained_tokens)],
      ["Training file", h("span", { class: "mono" }, job.training_file)],
      ["Validation file", job.validation_file && h("span", { class: "mono" }, job.validation_file)],
      ["Made", moment(job.created_at)],
      ["Ends at about", job.estimated_finish && moment(job.estimated_finish)],
      ["Ended", job.finished_at && moment(job.finished_at)],
      ["Metadata", job.metadata && h("code", {}, JSON.stringify(job.metadata))],
    ]),
  ];
}

function controlsOf(job, change) {
  if (!OPEN.includes(job.status)) return [];
  return [
    job.status === "paused" ? change("resume", "Resume", { after: "The job goes on where it was paused." }) : null,
    ["running", "queued"].includes(job.status) ? change("pause", "Pause", { after: "The job pauses before its next step. What it has learned is kept." }) : null,
    change("cancel", "Cancel the job", {
      question: "Cancel this job? It cannot be taken up again. Its checkpoints are kept.",
      after: "The job is being cancelled.",
    }),
  ];
}

function resultButton(page, id) {
  const save = async () => download(id, (await get(`v1/files/${encodeURIComponent(id)}`)).filename, { signal: page.signal });
  return button(`Download ${id}`, () => save().catch(page.fail), { class: "quiet small" });
}

function charts(metrics) {
  const drawn = CHARTS.map(([title, names]) => {
    const series = Object.entries(names)
      .map(([metric, name]) => ({ name, points: metrics.filter((one) => Number.isFinite(one[metric])).map((one) => [one.step, one[metric]]) }))
      .filter((one) => one.points.length);
    return series.length ? lineChart({ title: `${title} by step`, series, x: (step) => `step ${step}`, y: decimal }) : null;
  }).filter(Boolean);
  return drawn.length ? drawn : h("p", { class: "empty" }, "No step is done yet.");
}

function decimal(value) {
  if (!Number.isFinite(value)) return "–";
  return value && Math.abs(value) < 0.001 ? value.toExponential(1) : value.toPrecision(3);
}

// The names of the metrics that some step has.
function metricsOf(metrics) {
  const names = CHARTS.flatMap(([, series]) => Object.keys(series));
  return names.filter((name) => metrics.some((one) => Number.isFinite(one[name])));
}

function stepTable(shown) {
  return new Table({
    caption: "The numbers of each step, the last one first",
    key: (row) => row.step,
    columns: [
      { title: "Step", text: (row) => number(row.step) },
      ...CHARTS.flatMap(([title, names]) =>
        Object.entries(names).filter(([metric]) => shown.includes(metric)).map(([metric, name]) => ({ title: `${title}, ${name}`, number: true, text: (row) => decimal(row[metric]) })),
      ),
    ],
  });
}

function checkpointTable() {
  return new Table({
    caption: "Checkpoints of the job",
    empty: "There are no checkpoints yet.",
    columns: [
      { title: "Model", cell: (row) => h("span", { class: "mono wrap" }, row.fine_tuned_model_checkpoint) },
      { title: "Step", number: true, text: (row) => number(row.step_number) },
      { title: "Training loss", number: true, text: (row) => decimal(row.metrics.train_loss) },
      { title: "Validation loss", number: true, text: (row) => decimal(row.metrics.full_valid_loss ?? row.metrics.valid_loss) },
      { title: "Made", text: (row) => moment(row.created_at) },
    ],
  });
}

function eventTable() {
  return new Table({
    caption: "Events, the newest first",
    columns: [
      { title: "Time", text: (row) => clock(row.created_at) },
      { title: "Level", text: (row) => row.level },
      { title: "Event", cell: (row) => h("span", { class: "wrap" }, row.message) },
    ],
  });
}
