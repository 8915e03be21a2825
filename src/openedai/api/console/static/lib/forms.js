// Forms, and fields whose text is JSON.

import { ApiError } from "./api.js";
import { field, h, newId, show } from "./dom.js";
import { words } from "./format.js";

// A form with a button, which cannot be pressed while `work` runs. An error that names a parameter is shown
// below the control that has the name in `data-param`, any other on the page.
export function form(page, label, work, ...children) {
  const submit = h("button", { type: "submit" }, label);
  let wrong = () => {};
  const fail = (error) => {
    const control = error?.param && controlOf(element, error.param);
    if (control) wrong = mark(control, error.message);
    else page.fail(error);
  };
  const element = h(
    "form",
    {
      class: "page",
      onsubmit: (event) => {
        event.preventDefault();
        page.fail(null);
        wrong();
        submit.disabled = true;
        work(element)
          .catch(fail)
          .finally(() => {
            submit.disabled = false;
          });
      },
    },
    children,
    h("div", { class: "row" }, submit),
  );
  return element;
}

// The control of a parameter, or of the one that it is in: "limits.tokens_per_day", else "limits"; "models[0]", else "models".
function controlOf(form, param) {
  const controls = [...form.querySelectorAll("[data-param]")];
  for (let name = param; name; name = name.slice(0, Math.max(0, name.search(/[.[][^.[]*$/)))) {
    const found = controls.find((one) => one.dataset.param.split(" ").includes(name));
    if (found) return found;
  }
  return null;
}

// Says below a control, or a group of them, what is wrong with it. Returns what takes that back.
function mark(control, message) {
  const below = h("p", { class: "wrong", id: newId("wrong"), role: "alert" }, message);
  const hints = control.getAttribute("aria-describedby");
  const grouped = control instanceof HTMLFieldSetElement;
  const label = control.closest("label"); // of a checkbox
  if (grouped) control.append(below);
  else if (label) label.after(below);
  else control.parentElement.append(below);
  control.closest("details")?.setAttribute("open", "");
  control.setAttribute("aria-describedby", [below.id, hints].filter(Boolean).join(" "));
  if (!grouped) control.setAttribute("aria-invalid", "true");
  (grouped ? control.querySelector("input, button") : control).focus();
  return () => {
    below.remove();
    control.removeAttribute("aria-invalid");
    if (hints) control.setAttribute("aria-describedby", hints);
    else control.removeAttribute("aria-describedby");
  };
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
  return h("span", { class: "badge", "data-state": COLOURS[status] ?? "" }, words(status));
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
