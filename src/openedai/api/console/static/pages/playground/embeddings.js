// Embed lines of text, and compare each with each.

import { post } from "../../lib/api.js";
import { add, card, field, h, setText, show } from "../../lib/dom.js";
import { modelField } from "../../lib/models.js";
import { runner } from "../../lib/runs.js";

const MOST = 40;
const EXAMPLE = ["The cat sleeps on the sofa.", "A kitten naps on the couch.", "Shares fell on Monday.", "The market lost two per cent."];

export function open(page) {
  const model = modelField("embeddings", page.models, "text-embedding-3-small");
  const dimensions = h("input", { type: "number", min: "1", step: "1", placeholder: "all" });
  const lines = h("textarea", { rows: "8", value: EXAMPLE.join("\n") });
  const status = h("p", { class: "faint", role: "status" });
  const result = h("div");
  const compare = async (signal) => {
    const texts = lines.value.split("\n").map((line) => line.trim()).filter(Boolean).slice(0, MOST);
    if (!texts.length) return setText(status, "Write one text on each line.");
    const began = performance.now();
    const body = { model: model.input.value, input: texts, ...(dimensions.value ? { dimensions: Number(dimensions.value) } : {}) };
    const answer = await post("v1/embeddings", body, { signal });
    const vectors = answer.data.map((one) => one.embedding);
    show(result, matrix(texts, vectors));
    const seconds = ((performance.now() - began) / 1000).toFixed(2);
    setText(status, `${vectors.length} vectors of ${vectors[0].length} numbers, ${answer.usage.prompt_tokens} tokens, ${seconds} s.`);
  };
  const run = runner({ page, label: "Compare", work: compare });
  add(
    page.main,
    card(
      "Embeddings",
      field("Texts", lines, `One on each line, at most ${MOST}.`),
      h("div", { class: "fields" }, model.element, field("Dimensions", dimensions)),
      h("div", { class: "row" }, run.go, run.stop),
      status,
      result,
    ),
  );
}

function cosine(a, b) {
  let product = 0;
  let lengthA = 0;
  let lengthB = 0;
  for (let index = 0; index < a.length; index += 1) {
    product += a[index] * b[index];
    lengthA += a[index] ** 2;
    lengthB += b[index] ** 2;
  }
  return product / (Math.sqrt(lengthA * lengthB) || 1);
}

function matrix(texts, vectors) {
  const head = h("tr", {}, h("th", { scope: "col" }, "Cosine"), texts.map((text, index) => h("th", { scope: "col", class: "number", title: text }, String(index + 1))));
  const rows = texts.map((text, row) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, `${row + 1}. ${text}`),
      vectors.map((vector) => {
        const value = cosine(vectors[row], vector);
        return h("td", { class: `number heat${Math.max(0, Math.min(9, Math.floor(value * 10)))}` }, value.toFixed(2));
      }),
    ),
  );
  return h(
    "div",
    { class: "scroller", tabindex: "0", role: "region", "aria-label": "How alike the texts are" },
    h("table", { class: "matrix" }, h("caption", { class: "hidden" }, "How alike the texts are: the cosine of each two"), h("thead", {}, head), h("tbody", {}, rows)),
  );
}
