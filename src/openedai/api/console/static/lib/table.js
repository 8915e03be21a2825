// Tables whose rows stay the same elements while their values change: focus and selection are kept.

import { add, h, setText } from "./dom.js";

// `columns` are {title, text or cell, number, wide}: `text(row)` is a text, and `cell(row)` makes an element
// once for a row, whose `update(row)`, if it has one, is called with each new value.
// `key(row)` tells rows apart, `empty` is said where there is none.
export class Table {
  constructor({ caption, columns, key = (row) => row.id, empty = "Nothing." }) {
    this.columns = columns;
    this.key = key;
    this.rows = new Map();
    this.body = h("tbody");
    this.empty = h("p", { class: "empty" }, empty);
    const head = columns.map((one) =>
      h("th", { scope: "col", class: one.number && "number" }, one.hidden ? hidden(one.title) : one.title),
    );
    this.table = h(
      "table",
      {},
      h("caption", { class: "hidden" }, caption),
      h("thead", {}, h("tr", {}, head)),
      this.body,
    );
    // Wide tables scroll on their own, and by the keyboard too.
    this.scroller = h("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": caption }, this.table);
    this.element = h("div", {}, this.scroller, this.empty);
    this.update([]);
  }

  update(rows) {
    const keys = new Set(rows.map(this.key));
    for (const [key, row] of this.rows) {
      if (!keys.has(key)) {
        row.element.remove();
        this.rows.delete(key);
      }
    }
    let before = null;
    for (const values of rows) {
      const row = this.rows.get(this.key(values)) ?? this.add(this.key(values), values);
      row.cells.forEach((cell) => cell(values));
      const wanted = before ? before.nextSibling : this.body.firstChild;
      if (row.element !== wanted) this.body.insertBefore(row.element, wanted);
      before = row.element;
    }
    this.empty.hidden = rows.length > 0;
    this.scroller.hidden = rows.length === 0;
  }

  add(key, values) {
    const element = h("tr");
    const cells = this.columns.map((column, index) => {
      const made = column.cell?.(values);
      const place = h(
        index === 0 ? "th" : "td",
        { scope: index === 0 && "row", class: [column.number && "number", column.class].filter(Boolean).join(" ") || null },
      );
      add(element, place);
      if (made) {
        add(place, made.element ?? made);
        return (latest) => made.update?.(latest);
      }
      return (latest) => setText(place, column.text(latest));
    });
    const row = { element, cells };
    this.rows.set(key, row);
    return row;
  }
}

function hidden(text) {
  return h("span", { class: "hidden" }, text);
}
