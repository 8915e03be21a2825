// The tokens of an answer, coloured by their probability, each with the likeliest ones at its place.

import { h, show } from "../../lib/dom.js";
import { percent } from "../../lib/format.js";

export function tokenView(tokens) {
  const detail = h("p", { class: "faint", role: "status" }, "Choose a token to see what else the model could have said.");
  const chosen = (token) => {
    const others = token.top_logprobs.map((one) => `${visible(one.token)} ${share(one)}`).join(", ");
    show(detail, h("strong", {}, `${visible(token.token)} ${share(token)}`), others ? `; likeliest here: ${others}` : "");
  };
  const items = tokens.map((token) =>
    h(
      "button",
      {
        type: "button",
        class: `token p${level(token)}`,
        onclick: () => chosen(token),
        onfocus: () => chosen(token),
        "aria-label": `${visible(token.token)}, ${share(token)}`,
      },
      visible(token.token),
    ),
  );
  const list = h("div", { class: "tokens", role: "toolbar", "aria-label": "Tokens with their probabilities" }, items);
  items.forEach((item, index) => (item.tabIndex = index === 0 ? 0 : -1));
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const at = items.indexOf(document.activeElement);
    if (!step || at < 0) return;
    event.preventDefault();
    items[Math.min(items.length - 1, Math.max(0, at + step))].focus();
  });
  return h("details", { open: true }, h("summary", {}, `${tokens.length} tokens`), list, detail);
}

function level(token) {
  const probability = Math.exp(token.logprob);
  return [0.9, 0.6, 0.3, 0.1].findIndex((limit) => probability >= limit) + 1 || 5;
}

function share(token) {
  return percent(Math.exp(token.logprob));
}

// Spaces and line ends as signs.
function visible(text) {
  return text.replaceAll(" ", "␣").replaceAll("\n", "⏎").replaceAll("\t", "⇥") || "∅";
}
