// Try the models: chat, speech, transcription, images, embeddings.

import { get } from "../lib/api.js";
import { add, button, h, show } from "../lib/dom.js";

export const title = "Playground";

const TABS = [
  ["chat", "Chat"],
  ["speech", "Speech"],
  ["transcription", "Transcription"],
  ["images", "Images"],
  ["embeddings", "Embeddings"],
];

export async function open(page) {
  const wanted = TABS.find(([name]) => name === page.path[0]) ? page.path[0] : "chat";
  const panel = h("div", { role: "tabpanel", id: "panel", class: "page", "aria-labelledby": `tab-${wanted}` });
  const tabs = TABS.map(([name, label]) =>
    button(label, () => (location.hash = `#/playground/${name}`), {
      id: `tab-${name}`,
      role: "tab",
      class: "tab",
      "aria-selected": String(name === wanted),
      "aria-controls": "panel",
      tabindex: name === wanted ? "0" : "-1",
    }),
  );
  const list = h("div", { role: "tablist", "aria-label": "What to try", class: "tabs" }, tabs);
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length].focus();
  });
  add(page.main, list, panel);
  const models = (await get("v1/models", { signal: page.signal })).data.map((one) => one.id);
  const module = await import(`./playground/${wanted}.js`);
  if (page.signal.aborted) return;
  show(panel);
  return module.open({ ...page, main: panel, models });
}
