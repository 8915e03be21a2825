// A choice of stored files, which are found by their names.

import { all } from "../../lib/api.js";
import { add, field, h, setText, show } from "../../lib/dom.js";
import { bytes, moment } from "../../lib/format.js";

const SHOWN = 200;

// `chosen()` are the ids of the files, and `clear()` chooses none. The files are asked for when the list is opened.
export function storedFiles(page) {
  const ids = new Set();
  const filter = h("input", { type: "search", autocomplete: "off" });
  const list = h("select", { multiple: true, size: "7", "data-param": "file_id" });
  const count = h("p", { class: "faint", role: "status" });
  const summary = h("summary", {}, "Stored files");
  let files = [];
  const draw = () => {
    const sought = filter.value.trim().toLowerCase();
    const matching = files.filter((one) => ids.has(one.id) || one.filename.toLowerCase().includes(sought));
    show(list, matching.slice(0, SHOWN).map((one) => {
      const option = h("option", { value: one.id }, `${one.filename} (${bytes(one.bytes)}, ${moment(one.created_at)})`);
      option.selected = ids.has(one.id);
      return option;
    }));
    say(matching.length);
  };
  const say = (found) => {
    const shown = found > SHOWN ? `The newest ${SHOWN} of ${found} are listed` : `${found} of ${files.length} are listed`;
    setText(count, files.length ? `${shown}, ${ids.size} chosen.` : "There are no stored files.");
    setText(summary, ids.size ? `Stored files: ${ids.size} chosen` : "Stored files");
  };
  list.addEventListener("input", () => {
    for (const option of list.options) {
      if (option.selected) ids.add(option.value);
      else ids.delete(option.value);
    }
    say(list.options.length);
  });
  filter.addEventListener("input", draw);
  filter.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault(); // it is no reason to add files
  });
  const load = async () => {
    files = await all("v1/files?limit=1000", { signal: page.signal });
    draw();
  };
  const element = h("details", { ontoggle: () => element.open && load().catch(page.fail) }, summary);
  add(element, h("div", { class: "fields" }, field("Filter by name", filter)), field("Files to add", list, "Several with Ctrl or Shift."), count);
  return {
    element,
    chosen: () => [...ids],
    clear() {
      ids.clear();
      draw();
    },
  };
}
