// Ctrl K: a list of the pages to go to, filtered by what is typed.

import { add, h, newId, show } from "./dom.js";

// Returns a function that opens it.
export function palette(pages) {
  const open = () => {
    if (document.querySelector("dialog[open]")) return;
    const list = newId("pages");
    const options = h("ul", { id: list, role: "listbox", "aria-label": "Pages" });
    const input = h("input", {
      type: "text",
      role: "combobox",
      "aria-label": "Go to a page",
      "aria-expanded": "true",
      "aria-controls": list,
      "aria-autocomplete": "list",
      autocomplete: "off",
      placeholder: "Go to…",
    });
    const dialog = h("dialog", { class: "palette", "aria-label": "Go to a page" }, input, options);
    let found = [];
    let chosen = 0;
    const go = (page) => {
      dialog.close();
      location.hash = `#/${page.name}`;
    };
    const draw = () => {
      found = pages.filter((page) => page.label.toLowerCase().includes(input.value.trim().toLowerCase()));
      chosen = Math.min(chosen, Math.max(0, found.length - 1));
      const items = found.map((page, index) =>
        h(
          "li",
          { role: "option", id: `${list}-${index}`, "aria-selected": String(index === chosen), onclick: () => go(page) },
          page.label,
        ),
      );
      show(options, items.length ? items : h("li", { class: "empty" }, "No such page."));
      if (items.length) input.setAttribute("aria-activedescendant", `${list}-${chosen}`);
      else input.removeAttribute("aria-activedescendant");
    };
    input.addEventListener("input", draw);
    input.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step && found.length) {
        event.preventDefault();
        chosen = (chosen + step + found.length) % found.length;
        draw();
      } else if (event.key === "Enter" && found[chosen]) {
        event.preventDefault();
        go(found[chosen]);
      }
    });
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("close", () => dialog.remove());
    add(document.body, dialog);
    draw();
    dialog.showModal();
    input.focus();
  };
  addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      open();
    }
  });
  return open;
}
