// What the console says: notes that pass, errors that stay, questions.

import { ApiError } from "./api.js";
import { add, button, h, newId, show } from "./dom.js";

const polite = h("div", { class: "notes", role: "status", "aria-live": "polite" });

export function notesArea() {
  return polite;
}

// Say something in passing.
export function note(text) {
  const element = h("p", { class: "note" }, text);
  add(polite, element);
  setTimeout(() => element.remove(), 6000);
}

// A place for an error, which is read out when it is set.
export function errorBox() {
  const element = h("div", { class: "error", role: "alert" });
  element.hidden = true;
  let shown = null;
  return {
    element,
    set(error) {
      if (error === shown) return;
      shown = error;
      element.hidden = !error;
      if (!error) return void show(element);
      const detail = error.code ? h("code", {}, error.code) : null;
      show(element, h("p", {}, describe(error)), detail);
    },
  };
}

export function describe(error) {
  if (error instanceof ApiError) return error.message;
  return `The console failed: ${error?.message ?? error}`;
}

// Ask before something that cannot be undone. Returns whether to do it.
export function confirm(question, action) {
  return new Promise((resolve) => {
    const id = newId("question");
    const dialog = h("dialog", { "aria-labelledby": id });
    const close = (answer) => {
      dialog.close();
      dialog.remove();
      resolve(answer);
    };
    add(
      dialog,
      h("p", { id }, question),
      h(
        "div",
        { class: "row end" },
        button("Keep", () => close(false), { class: "quiet", autofocus: true }),
        button(action, () => close(true), { class: "danger" }),
      ),
    );
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      close(false);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
