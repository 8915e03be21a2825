// The frame around the pages: who is asking, the menu, and which page is open.

import { ApiError, address, get, key } from "./lib/api.js";
import { add, button, h, icon, show } from "./lib/dom.js";
import { errorBox, notesArea } from "./lib/notes.js";
import { palette } from "./lib/palette.js";
import { PAGES } from "./pages.js";

const NAME = "OpenedAI";
const PAUSE = 3000; // milliseconds before a server that is away is asked again
let session = null;
let leave = () => {};
let frame = null;

async function start() {
  try {
    session = await get("console/api/session");
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return signIn(key.get() ? error : null);
    return failed(error);
  }
  frame = build();
  await route();
}

function failed(error) {
  const box = errorBox();
  box.set(error);
  show(document.body, h("main", { class: "gate" }, brand(), box.element, button("Try again", start)));
}

// The question for a key. The browser is not asked to remember it: it may manage the server.
function signIn(error) {
  document.title = `Sign in – ${NAME}`;
  const box = errorBox();
  const input = h("input", { type: "password", id: "key", autocomplete: "off", spellcheck: "false", required: true });
  const form = h(
    "form",
    {
      class: "card",
      onsubmit: (event) => {
        event.preventDefault();
        key.set(input.value.trim());
        start();
      },
    },
    h("h1", {}, "Sign in"),
    h("p", {}, "This server asks for a key. It is kept by this tab until it is closed, and sent to this server only."),
    box.element,
    h("div", { class: "field" }, h("label", { for: "key" }, "API key"), input),
    h("button", { type: "submit" }, "Sign in"),
  );
  show(document.body, h("main", { class: "gate" }, brand(), form));
  box.set(error);
  input.focus();
}

function signOut() {
  key.forget();
  leave();
  location.hash = "";
  location.reload();
}

function brand() {
  return h(
    "p",
    { class: "brand" },
    h("img", { src: address("console/static/icon.svg"), alt: "", width: "28", height: "28" }),
    NAME,
  );
}

function build() {
  const allowed = PAGES.filter((page) => session.admin || !page.admin);
  const links = allowed.map((page) => {
    const link = h("a", { href: `#/${page.name}`, "data-page": page.name }, icon(page.icon), h("span", {}, page.label));
    return h("li", {}, link);
  });
  const menu = h("nav", { id: "menu", "aria-label": "Console" }, h("ul", {}, links));
  const toggle = h(
    "button",
    { type: "button", class: "quiet toggle", "aria-expanded": "false", "aria-controls": "menu", "aria-label": "Menu" },
    icon("menu"),
  );
  const header = h("header", { class: "side" }, h("div", { class: "top" }, brand(), toggle), menu, footer(allowed));
  const expand = (open) => {
    header.classList.toggle("open", open);
    toggle.setAttribute("aria-expanded", String(open));
  };
  toggle.addEventListener("click", () => expand(!header.classList.contains("open")));
  menu.addEventListener("click", () => expand(false));
  header.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && header.classList.contains("open")) {
      expand(false);
      toggle.focus();
    }
  });
  const main = h("main", { id: "main", tabindex: "-1" });
  const skip = h("button", { type: "button", class: "skip", onclick: () => main.focus() }, "Skip to content");
  show(document.body, skip, header, main, notesArea());
  return { allowed, links: menu.querySelectorAll("a"), main, expand };
}

function footer(allowed) {
  const goTo = palette(allowed);
  return h(
    "div",
    { class: "foot" },
    themeSwitch(),
    h("button", { type: "button", class: "quiet", onclick: goTo }, "Go to… ", h("kbd", {}, "Ctrl K")),
    h("p", {}, h("a", { href: address("docs") }, "API reference")),
    key.get() ? button("Sign out", signOut, { class: "quiet" }) : null,
    h("p", { class: "faint" }, `Version ${session.version}`),
  );
}

function themeSwitch() {
  const themes = [
    ["", "As the system"],
    ["light", "Light"],
    ["dark", "Dark"],
  ];
  const chooser = h(
    "select",
    {
      "aria-label": "Colours",
      onchange: () => {
        if (chooser.value) document.documentElement.dataset.theme = chooser.value;
        else delete document.documentElement.dataset.theme;
        localStorage.setItem("openedai.theme", chooser.value);
      },
    },
    themes.map(([value, text]) => h("option", { value }, text)),
  );
  chooser.value = localStorage.getItem("openedai.theme") ?? "";
  return h("div", { class: "theme" }, icon("sun"), chooser);
}

// Opens the page that the address names: "#/models/echo" is page "models" with the path ["echo"].
async function route() {
  if (!frame) return;
  leave();
  frame.expand(false);
  const [name, ...path] = location.hash.replace(/^#\/?/, "").split("/").map(decoded);
  const entry = frame.allowed.find((page) => page.name === name) ?? frame.allowed[0];
  const left = new AbortController();
  let cleanUp = null;
  leave = () => {
    left.abort();
    cleanUp?.();
  };
  for (const link of frame.links) {
    if (link.dataset.page === entry.name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const module = await import(`./pages/${entry.name}.js`).catch(() => null);
  if (left.signal.aborted) return;
  // A browser may remember that a script could not be loaded: then the page is loaded again as a whole.
  if (!module) return away(entry, left.signal, () => location.reload());
  document.title = `${module.title} – ${NAME}`;
  const heading = h("h1", { tabindex: "-1" }, module.title);
  const box = errorBox();
  const content = h("div", { class: "page" });
  show(frame.main, h("div", { class: "heading" }, heading), box.element, content);
  const fail = (error) => {
    if (error?.name === "AbortError" || left.signal.aborted) return;
    if (error instanceof ApiError && error.status === 401) return signIn(error);
    box.set(error);
  };
  try {
    cleanUp = await module.open({ main: content, signal: left.signal, path, fail, session });
  } catch (error) {
    fail(error);
    if (error instanceof ApiError && error.status === 0) back(left.signal, route);
  }
  // The first page is read from its beginning; later ones from their heading.
  if (frame.moved) heading.focus({ preventScroll: true });
  frame.moved = true;
  frame.main.setAttribute("data-ready", entry.name);
  scrollTo(0, 0);
}

// Says that a page cannot be loaded, until the server is there again.
function away(entry, signal, then) {
  const box = errorBox();
  show(frame.main, h("div", { class: "heading" }, h("h1", { tabindex: "-1" }, entry.label)), box.element);
  box.set(new ApiError("The server cannot be reached. This page opens when it is there again."));
  back(signal, then);
}

// Calls `then` when the server answers again, unless the page is left before.
async function back(signal, then) {
  while (!signal.aborted) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
    const there = await get("console/api/session", { signal }).then(() => true, (error) => Boolean(error.status));
    if (there && !signal.aborted) return then();
  }
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

addEventListener("hashchange", route);
start();
