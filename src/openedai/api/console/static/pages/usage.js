// What was used, and what it cost: by day, and by model, key or project.

import { all, get } from "../lib/api.js";
import { barChart } from "../lib/charts.js";
import { add, card, h, select, setText, show } from "../lib/dom.js";
import { bytes, compact, duration, number } from "../lib/format.js";
import { Table } from "../lib/table.js";

export const title = "Usage";

const DAY = 86400;
const SPANS = [
  ["7", "7 days"],
  ["30", "30 days"],
  ["90", "90 days"],
];
const GROUPS = [
  ["model", "By model"],
  ["api_key_id", "By key"],
  ["project_id", "By project"],
];
// The kinds of usage, with what each counts beside its requests.
const KINDS = {
  completions: ["Text", (sum) => `${number(sum.input_tokens)} tokens read, ${number(sum.output_tokens)} written`],
  embeddings: ["Embeddings", (sum) => `${number(sum.input_tokens)} tokens read`],
  moderations: ["Moderations", (sum) => `${number(sum.input_tokens)} tokens read`],
  images: ["Images", (sum) => `${number(sum.images)} images`],
  audio_speeches: ["Speech", (sum) => `${number(sum.characters)} characters`],
  audio_transcriptions: ["Transcriptions", (sum) => duration(sum.seconds)],
};
const SHOWN = 3; // groups of a chart; the rest are one

export async function open(page) {
  const span = select(SPANS, "7", { "aria-label": "Time" });
  const group = select(GROUPS, "model", { "aria-label": "Grouped by" });
  const summary = h("p", { class: "faint", role: "status" });
  const content = h("div", { class: "page" });
  let asked = 0;
  const draw = async () => {
    const turn = (asked += 1);
    page.fail(null);
    const found = await read(page, Number(span.value), group.value);
    if (turn !== asked || page.signal.aborted) return;
    setText(summary, summaryOf(found));
    show(content, charts(found, group.selectedOptions[0].textContent));
  };
  for (const control of [span, group]) control.addEventListener("input", () => draw().catch(page.fail));
  add(page.main, h("div", { class: "row" }, span, group), summary, content);
  await draw();
}

// The buckets of each kind, those of the costs, and the names of what they are grouped by.
async function read(page, days, group) {
  const start = Math.floor(Date.now() / 1000 / DAY - days + 1) * DAY;
  const from = `start_time=${start}&bucket_width=1d`;
  const kinds = Object.keys(KINDS);
  const [names, costs, stored, ...usage] = await Promise.all([
    namesOf(page, group),
    buckets(page, `costs?${from}&limit=90${group === "model" ? "&group_by[]=line_item" : `&group_by[]=${group}`}`),
    buckets(page, `usage/vector_stores?start_time=${start + (days - 1) * DAY}&bucket_width=1d`),
    ...kinds.map((kind) => buckets(page, `usage/${kind}?${from}&limit=31&group_by[]=${group}`)),
  ]);
  const valueOf = (result) => (group === "model" ? (result.model ?? result.line_item?.replace(/, \w+$/, "")) : result[group]) ?? "";
  const label = (result) => names.get(valueOf(result)) || valueOf(result) || "none";
  return { usage: Object.fromEntries(kinds.map((kind, index) => [kind, usage[index]])), costs, stored, label };
}

async function buckets(page, path) {
  const found = [];
  for (let cursor = ""; ; ) {
    const answer = await get(`v1/organization/${path}${cursor}`, { signal: page.signal });
    found.push(...answer.data);
    if (!answer.has_more) return found;
    cursor = `&page=${encodeURIComponent(answer.next_page)}`;
  }
}

async function namesOf(page, group) {
  const names = new Map();
  if (group === "api_key_id") {
    const { keys } = await get("console/api/keys", { signal: page.signal });
    for (const one of keys) names.set(one.id, `${one.name} (${one.hint})`);
  } else if (group === "project_id") {
    const projects = await all("v1/organization/projects?limit=100&include_archived=true", { signal: page.signal });
    for (const one of projects) names.set(one.id, projects.some((other) => other !== one && other.name === one.name) ? `${one.name} (${one.id})` : one.name);
  }
  return names;
}

const tokensOf = (result) => (result.input_tokens ?? 0) + (result.output_tokens ?? 0);

function summaryOf({ usage, costs, stored }) {
  const all = Object.values(usage).flat().flatMap((bucket) => bucket.results);
  const requests = all.reduce((sum, one) => sum + one.num_model_requests, 0);
  const cost = costs.flatMap((bucket) => bucket.results).reduce((sum, one) => sum + one.amount.value, 0);
  const kept = (stored.at(-1)?.results ?? []).reduce((sum, one) => sum + one.usage_bytes, 0);
  return `${number(requests)} calls of models with ${number(all.reduce((sum, one) => sum + tokensOf(one), 0))} tokens, ${money(cost)}. Vector stores take ${bytes(kept)} now.`;
}

function charts({ usage, costs, label }, grouped) {
  const days = usage.completions.map((bucket, index) => ({
    label: dayOf(bucket.start_time),
    results: [...bucket.results, ...usage.embeddings[index].results, ...usage.moderations[index].results],
  }));
  const spent = costs.map((bucket) => ({ label: dayOf(bucket.start_time), results: bucket.results }));
  const by = grouped.toLowerCase();
  return [
    card("Tokens by day", barChart({
      title: "Tokens that models read and wrote, by day",
      names: ["read", "written"],
      bars: days.map((day) => ({ label: day.label, values: [sumOf(day.results, "input_tokens"), sumOf(day.results, "output_tokens")] })),
      y: compact,
    })),
    card(`Tokens ${by}`, stacked(`Tokens by day, ${by}`, days, label, tokensOf, compact)),
    card(`Costs ${by}`, stacked(`Costs by day, ${by}`, spent, label, (one) => one.amount.value, money)),
    card("What was used", table(usage, costs, label)),
  ];
}

// A chart of the largest groups, and of the rest together.
function stacked(title, days, label, value, y) {
  const totals = new Map();
  for (const one of days.flatMap((day) => day.results)) totals.set(label(one), (totals.get(label(one)) ?? 0) + value(one));
  const order = [...totals].filter(([, total]) => total > 0).sort((a, b) => b[1] - a[1]).map(([name]) => name);
  if (!order.length) return h("p", { class: "empty" }, "No values yet.");
  const names = order.length > SHOWN + 1 ? [...order.slice(0, SHOWN), "others"] : order;
  const place = new Map(order.map((name, index) => [name, Math.min(index, names.length - 1)]));
  const bars = days.map((day) => {
    const values = names.map(() => 0);
    for (const one of day.results) if (place.has(label(one))) values[place.get(label(one))] += value(one);
    return { label: day.label, values };
  });
  return barChart({ title, names, bars, y });
}

// Each group with its calls and its costs, by kind.
function table(usage, costs, label) {
  const rows = new Map();
  for (const [kind, list] of Object.entries(usage)) {
    for (const result of list.flatMap((bucket) => bucket.results)) {
      const id = JSON.stringify([label(result), kind]);
      const row = rows.get(id) ?? { id, name: label(result), kind, sums: {} };
      for (const [name, amount] of Object.entries(result)) {
        if (typeof amount === "number") row.sums[name] = (row.sums[name] ?? 0) + amount;
      }
      rows.set(id, row);
    }
  }
  const spent = new Map();
  for (const one of costs.flatMap((bucket) => bucket.results)) spent.set(label(one), (spent.get(label(one)) ?? 0) + one.amount.value);
  const made = new Table({
    caption: "Calls of models by name and type",
    empty: "Nothing was used in this time, or this server keeps no usage.",
    columns: [
      { title: "Name", cell: (row) => h("span", { class: "wrap" }, row.name) },
      { title: "Of", text: (row) => KINDS[row.kind][0] },
      { title: "Calls", number: true, text: (row) => number(row.sums.num_model_requests) },
      { title: "Amount", text: (row) => KINDS[row.kind][1](row.sums) },
      { title: "Costs in all", number: true, text: (row) => (spent.has(row.name) ? money(spent.get(row.name)) : "–") },
    ],
  });
  made.update([...rows.values()].sort((a, b) => b.sums.num_model_requests - a.sums.num_model_requests));
  return made.element;
}

function sumOf(results, name) {
  return results.reduce((sum, one) => sum + (one[name] ?? 0), 0);
}

function dayOf(seconds) {
  return new Date(seconds * 1000).toLocaleDateString("en", { month: "short", day: "numeric", timeZone: "UTC" });
}

function money(value) {
  return value > 0 && value < 0.01 ? `$${value.toPrecision(2)}` : `$${value.toFixed(2)}`;
}
