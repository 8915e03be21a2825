// A choice of a model, which remembers the last one for each purpose.

import { field, h, newId } from "./dom.js";

// A text field with the names of models to choose from: any name may be typed.
export function modelField(purpose, models, fallback) {
  const remembered = `openedai.model.${purpose}`;
  const list = newId("models");
  const input = h("input", {
    type: "text",
    list,
    required: true,
    spellcheck: "false",
    autocomplete: "off",
    value: sessionStorage.getItem(remembered) ?? fallback,
    onchange: () => sessionStorage.setItem(remembered, input.value),
  });
  const options = h("datalist", { id: list }, models.map((name) => h("option", { value: name })));
  return { input, element: h("div", {}, field("Model", input), options) };
}
