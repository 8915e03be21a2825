// Forms, and fields whose text is JSON.

import { ApiError } from "./api.js";
import { field, h, show } from "./dom.js";

// A form with a button, which cannot be pressed while `work` runs.
export function form(page, label, work, ...children) {
  const submit = h("button", { type: "submit" }, label);
  return h(
    "form",
    {
      class: "page",
      onsubmit: (event) => {
        event.preventDefault();
        page.fail(null);
        submit.disabled = true;
        work(event.target)
          .catch(page.fail)
          .finally(() => {
            submit.disabled = false;
          });
      },
    },
    children,
    h("div", { class: "row" }, submit),
  );
}

// A text of JSON. `read()` is undefined if it is empty, and fails if it is not JSON.
export function jsonField(label, hint, value) {
  const text = value === undefined ? "" : JSON.stringify(value, null, 2);
  const input = h("textarea", { rows: "3", class: "mono", spellcheck: "false", value: text });
  return {
    input,
    element: field(label, input, hint),
    read() {
      if (!input.value.trim()) return undefined;
      try {
        return JSON.parse(input.value);
      } catch (error) {
        input.focus();
        throw new ApiError(`${label}: this is not JSON. ${error.message}`);
      }
    },
  };
}

// Terms and what they are: rows of [term, text or element]; rows without a value are left out.
export function facts(rows) {
  return h(
    "dl",
    { class: "facts" },
    rows
      .filter(([, value]) => value !== null && value !== undefined && value !== "")
      .map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))),
  );
}

// A status of the API as a badge.
export function statusBadge(status) {
  return h("span", { class: "badge", "data-state": COLOURS[status] ?? "" }, status.replaceAll("_", " "));
}

// A cell of a table with the status of its row.
export function statusCell() {
  const element = h("span");
  let shown = "";
  return {
    element,
    update(row) {
      if (row.status !== shown) show(element, statusBadge((shown = row.status)));
    },
  };
}

const COLOURS = {
  completed: "done",
  succeeded: "done",
  processed: "done",
  failed: "failed",
  expired: "failed",
  in_progress: "running",
  running: "running",
  validating: "running",
  validating_files: "running",
  finalizing: "running",
  cancelling: "warning",
  paused: "warning",
};
