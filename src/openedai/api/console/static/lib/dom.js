// Elements. Whatever is put into them is text: nothing here reads markup.

const SVG = "http://www.w3.org/2000/svg";
let count = 0;

// An element: h("button", {class: "quiet", onclick: run}, "Run", icon).
// Functions named on… listen; true sets an attribute without a value; null and false leave it out.
export function h(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

// The same for a part of an SVG image.
export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  add(element, children);
  return element;
}

export function add(element, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
  return element;
}

// Replaces all that is in an element.
export function show(element, ...children) {
  element.replaceChildren();
  return add(element, children);
}

// Changes a text only where it differs, so that screen readers and selections are left alone.
export function setText(element, text) {
  const wanted = String(text);
  if (element.textContent !== wanted) element.textContent = wanted;
}

export function newId(prefix = "id") {
  count += 1;
  return `${prefix}-${count}`;
}

// A labelled field: the label, the control and a hint below it.
export function field(label, control, hint = "") {
  control.id ||= newId("field");
  const below = hint ? h("small", { id: `${control.id}-hint` }, hint) : null;
  if (below) control.setAttribute("aria-describedby", below.id);
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control, below);
}

export function checkbox(label, checked = false) {
  const box = h("input", { type: "checkbox" });
  box.defaultChecked = checked;
  return { box, element: h("label", { class: "check" }, box, label) };
}

export function select(options, chosen, properties = {}) {
  const control = h("select", properties);
  for (const option of options) {
    const [value, text] = Array.isArray(option) ? option : [option, option];
    add(control, h("option", { value }, text));
  }
  if (chosen !== undefined) control.value = chosen;
  return control;
}

export function button(text, onclick, properties = {}) {
  return h("button", { type: "button", onclick, ...properties }, text);
}

export function card(title, ...children) {
  const id = newId("card");
  return h(
    "section",
    { class: "card", "aria-labelledby": id },
    h("h2", { id }, title),
    children,
  );
}

// Icons as paths on a square of 24.
const ICONS = {
  pulse: ["M3 12h4l3 7 4-14 3 7h4"],
  cube: ["M12 3 4 7.5v9L12 21l8-4.5v-9z", "M4 7.5 12 12l8-4.5", "M12 12v9"],
  chat: ["M5 5h14v10H10l-5 4z"],
  lines: ["M5 6h14", "M5 12h14", "M5 18h9"],
  dials: ["M5 7h8m4 0h2", "M15 5v4", "M5 17h2m4 0h8", "M9 15v4"],
  book: ["M5 5a2 2 0 0 1 2-2h12v16H7a2 2 0 0 0-2 2z", "M5 19V5"],
  file: ["M7 3h7l4 4v14H7z", "M14 3v4h4"],
  stack: ["M12 4 4 8l8 4 8-4z", "M4 12l8 4 8-4", "M4 16l8 4 8-4"],
  curve: ["M4 4v16h16", "M7 8c3 8 7 9 12 9"],
  search: ["M11 5a6 6 0 1 0 0 12 6 6 0 0 0 0-12z", "m20 20-4.6-4.6"],
  key: ["M14 10a4 4 0 1 0-4 4l1 0 2 2h2v2h2v2h3v-3z"],
  bars: ["M5 20v-7", "M12 20V5", "M19 20v-10"],
  menu: ["M4 7h16", "M4 12h16", "M4 17h16"],
  sun: ["M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8z", "M12 2v2m0 16v2M2 12h2m16 0h2M5 5l1.4 1.4m11.2 11.2L19 19M19 5l-1.4 1.4M6.4 17.6 5 19"],
};

// A decorative icon: what it stands for is said in words beside it.
export function icon(name) {
  return svg(
    "svg",
    { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" },
    ICONS[name].map((d) => svg("path", { d })),
  );
}
