// The models: what is on disk and in memory, downloads, and what fits this machine.

import { get, post, send } from "../lib/api.js";
import { add, button, card, h, select, setText, show } from "../lib/dom.js";
import { follow } from "../lib/follow.js";
import { bytes, percent } from "../lib/format.js";
import { confirm, note } from "../lib/notes.js";
import { Table } from "../lib/table.js";

export const title = "Models";

const STATES = {
  loaded: "in memory",
  on_disk: "on disk",
  not_downloaded: "not downloaded",
  missing: "missing",
  no_weights: "no weights",
  loading: "loading",
  closing: "unloading",
  waiting: "waiting to download",
  running: "downloading",
  paused: "download paused",
  failed: "download failed",
};

export function open(page) {
  const view = new View(page);
  return view.start();
}

class View {
  constructor(page) {
    this.page = page;
    this.known = { models: [], memory: 0, memory_budget: 0 };
    this.running = new Map();
    this.downloads = new Map();
    this.busy = new Set();
    this.filter = h("input", { type: "search", "aria-label": "Find a model", placeholder: "Find a model" });
    this.kind = select([["", "Every kind"]], "", { "aria-label": "Kind" });
    this.where = select(
      [
        ["", "Everywhere"],
        ["disk", "On this machine"],
        ["memory", "In memory"],
      ],
      "",
      { "aria-label": "Where" },
    );
    this.budget = h("p", { class: "faint" }, "…");
    this.table = new Table({
      caption: "Models of the catalogue",
      empty: "No such model.",
      columns: [
        { title: "Model", cell: nameCell },
        { title: "State", cell: stateCell },
        { title: "On disk", number: true, text: (row) => size(row) },
        { title: "In memory", number: true, text: (row) => memory(row) },
        { title: "On this machine", cell: fitCell },
        { title: "Actions", hidden: true, class: "actions", cell: (row) => this.actions(row) },
      ],
    });
  }

  async start() {
    const { page } = this;
    add(
      page.main,
      this.budget,
      card("Catalogue", h("div", { class: "row" }, h("div", { class: "grow" }, this.filter), this.kind, this.where), this.table.element),
    );
    for (const control of [this.filter, this.kind, this.where]) control.addEventListener("input", () => this.draw());
    await this.reload();
    const kinds = [...new Set(this.known.models.flatMap((one) => one.info.capabilities))];
    add(this.kind, kinds.map((name) => h("option", { value: name }, name)));
    follow(page, "console/api/now", (state) => this.update(state));
  }

  async reload() {
    this.known = await get("console/api/models", { signal: this.page.signal });
    this.draw();
  }

  update(state) {
    const ended = (one) => ["done", "paused", "failed"].includes(one.state);
    const before = [...this.downloads.values()].filter(ended).length;
    const loaded = [...this.running.values()].map((one) => one.state).join();
    this.downloads = new Map(state.downloads.map((one) => [one.model, one]));
    this.running = new Map(state.models.map((one) => [one.id, one]));
    Object.assign(this.known, { memory: state.memory, memory_budget: state.memory_budget });
    const changed = state.downloads.filter(ended).length !== before || state.models.map((one) => one.state).join() !== loaded;
    if (changed) this.reload().catch(this.page.fail);
    else this.draw();
  }

  draw() {
    const { memory, memory_budget: budget } = this.known;
    setText(this.budget, `Models may take ${bytes(budget)} of this machine's memory together; ${bytes(memory)} are in use.`);
    const words = this.filter.value.trim().toLowerCase();
    const rows = this.known.models.map((one) => this.row(one)).filter(
      (row) =>
        `${row.id} ${row.info.aliases.join(" ")} ${row.info.engine}`.toLowerCase().includes(words) &&
        (!this.kind.value || row.info.capabilities.includes(this.kind.value)) &&
        (!this.where.value || isAt(row, this.where.value)),
    );
    this.table.update(rows);
  }

  row({ info, expected_memory: expected, downloaded }) {
    const running = this.running.get(info.id);
    const download = this.downloads.get(info.id);
    const downloading = download && download.state !== "done" && !["loaded", "on_disk"].includes(info.state);
    let state = info.state;
    if (downloading) state = download.state;
    else if (running?.state === "loading" || running?.state === "closing") state = running.state;
    else if (running?.state === "ready") state = "loaded";
    else if (state === "loaded" && running) state = info.source ? "on_disk" : "no_weights";
    return { id: info.id, info, state, expected, downloaded, download: downloading ? download : null, running, known: this.known };
  }

  // The buttons for what can be done with a model, which depend on its state.
  actions(first) {
    const element = h("div", { class: "row end" });
    let drawn = "";
    const update = (row) => {
      const wanted = possible(row);
      const key = `${wanted.join()} ${this.busy.has(row.id)}`;
      if (key === drawn) return;
      drawn = key;
      const focused = element.contains(document.activeElement) ? document.activeElement.dataset.action : null;
      show(element, wanted.map((name) => this.action(name, row)));
      if (focused !== null) (element.querySelector(`[data-action="${focused}"]`) ?? element.querySelector("button"))?.focus();
    };
    update(first);
    return { element, update };
  }

  action(name, row) {
    const { label, run, done, ask } = ACTIONS[name];
    const element = button(
      label,
      async () => {
        if (ask && !(await confirm(ask(row), label))) return;
        this.busy.add(row.id);
        this.page.fail(null);
        this.draw();
        try {
          const answer = await run(`console/api/models/${row.id.split("/").map(encodeURIComponent).join("/")}`);
          if (done) note(done(row, answer));
        } catch (error) {
          this.page.fail(error);
        } finally {
          this.busy.delete(row.id);
          await this.reload().catch(this.page.fail);
        }
      },
      { class: name === "delete" ? "danger small" : "quiet small", "aria-label": `${label} ${row.id}`, "data-action": name },
    );
    element.disabled = this.busy.has(row.id);
    return element;
  }
}

const ACTIONS = {
  load: { label: "Load", run: (path) => post(`${path}/load`), done: (row) => `${row.id} is in memory.` },
  unload: { label: "Unload", run: (path) => post(`${path}/unload`), done: (row) => `${row.id} was unloaded.` },
  download: { label: "Download", run: (path) => post(`${path}/download`) },
  resume: { label: "Resume", run: (path) => post(`${path}/download`) },
  retry: { label: "Try again", run: (path) => post(`${path}/download`) },
  pause: { label: "Pause", run: (path) => post(`${path}/pause`), done: (row) => `The download of ${row.id} is paused.` },
  delete: {
    label: "Delete",
    ask: (row) => `Delete what was downloaded of ${row.id}? It can be downloaded again.`,
    run: async (path) => (await send(path, { method: "DELETE" })).json(),
    done: (row, answer) => `${row.id} was deleted: ${bytes(answer.freed)} freed.`,
  },
};

function possible(row) {
  if (row.info.base_model || row.info.prefix !== null) return [];
  switch (row.state) {
    case "loaded":
      return ["unload"];
    case "on_disk":
      return isDownloaded(row) ? ["load", "delete"] : ["load"];
    case "no_weights":
      return ["load"];
    case "waiting":
    case "running":
      return ["pause"];
    case "paused":
      return ["resume", "delete"];
    case "failed":
      return row.downloaded ? ["retry", "delete"] : ["retry"];
    case "not_downloaded":
      return row.downloaded ? ["resume", "delete"] : ["download"];
    default:
      return [];
  }
}

// Whether its files are ours to delete: those at a path of the user's are not.
function isDownloaded(row) {
  return /^(?:hf|pypi|https?):/.test(row.info.source ?? "");
}

function isAt(row, where) {
  return where === "memory" ? row.state === "loaded" : ["loaded", "on_disk", "no_weights"].includes(row.state);
}

function size(row) {
  if (row.info.size_on_disk) return bytes(row.info.size_on_disk);
  return row.info.download_size ? `${bytes(row.info.download_size)} to download` : "–";
}

function memory(row) {
  if (row.running?.state === "ready") return bytes(row.running.memory);
  return row.expected ? `${row.running?.loads ? "about" : "over"} ${bytes(row.expected)}` : "–";
}

function nameCell(row) {
  const facts = [row.info.capabilities.join(", "), row.info.engine, row.info.license].filter(Boolean);
  return h("span", {}, row.id, h("small", { class: "faint block" }, facts.join(" · ")));
}

function stateCell() {
  const badge = h("span", { class: "badge" });
  const bar = h("progress", { max: "1" });
  const detail = h("small", { class: "block" });
  return {
    element: h("span", {}, badge, bar, detail),
    update(row) {
      setText(badge, STATES[row.state] ?? row.state);
      badge.dataset.state = row.state;
      const { download } = row;
      const moves = download?.state === "running" || download?.state === "paused";
      bar.hidden = !moves || !download.total;
      if (!bar.hidden) {
        bar.value = download.done / download.total;
        bar.setAttribute("aria-label", `Download of ${row.id}`);
      }
      setText(detail, progress(row));
    },
  };
}

function progress({ download, downloaded, state }) {
  if (download?.error) return download.error;
  if (download && download.state !== "waiting" && download.total) {
    return `${download.step}: ${bytes(download.done)} of ${bytes(download.total)}, ${percent(download.done / download.total)}`;
  }
  if (download) return download.step;
  return state === "not_downloaded" && downloaded ? `${bytes(downloaded)} are here already` : "";
}

function fitCell() {
  const element = h("span");
  return {
    element,
    update(row) {
      const [text, kind] = fit(row);
      setText(element, text);
      element.className = kind;
    },
  };
}

function fit(row) {
  const { memory, memory_budget: budget } = row.known;
  if (row.info.prefix !== null) return ["on another server", "faint"];
  if (row.running?.state === "ready") return ["loaded", "good"];
  if (!row.expected) return [row.info.source ? "not known yet" : "fits", "faint"];
  if (row.expected > budget) return ["too large", "bad"];
  return row.expected > budget - memory ? ["fits after unloading others", ""] : ["fits", "good"];
}
