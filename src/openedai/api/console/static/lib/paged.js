// A list of the API in a table, of which as much is shown as was asked for.

import { get } from "./api.js";
import { button, h } from "./dom.js";
import { Table } from "./table.js";

const PAGE = 50;

// `path()` is the URL of the list with its filters, `table` the options of its Table. `prepare(rows)`, if it
// is given, is waited for before rows are shown.
export class PagedTable {
  constructor(page, path, { prepare = async () => {}, ...table }) {
    this.page = page;
    this.path = path;
    this.prepare = prepare;
    this.table = new Table(table);
    this.rows = [];
    this.count = PAGE;
    this.turn = 0;
    this.more = button("Show more", () => this.grow().catch(page.fail), { class: "quiet" });
    this.more.hidden = true;
    this.element = h("div", { class: "page" }, this.table.element, h("div", { class: "row" }, this.more));
  }

  grow() {
    this.count += PAGE;
    return this.reload();
  }

  async reload() {
    const turn = (this.turn += 1);
    const join = this.path().includes("?") ? "&" : "?";
    const rows = [];
    let more = true;
    while (more && rows.length < this.count) {
      const after = rows.length ? `&after=${encodeURIComponent(rows.at(-1).id)}` : "";
      const found = await get(`${this.path()}${join}limit=${PAGE}${after}`, { signal: this.page.signal });
      rows.push(...found.data);
      more = found.has_more && found.data.length > 0;
    }
    await this.prepare(rows);
    if (turn !== this.turn) return;
    this.rows = rows;
    this.more.hidden = !more;
    this.table.update(rows);
  }
}
