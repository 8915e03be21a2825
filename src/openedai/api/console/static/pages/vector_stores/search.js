// The search of a vector store, with all that the API takes.

import { post } from "../../lib/api.js";
import { checkbox, field, h, select, setText, show } from "../../lib/dom.js";
import { duration } from "../../lib/format.js";
import { form, jsonField } from "../../lib/forms.js";

export function searchBox(page, path) {
  const query = h("input", { type: "search", required: true, autocomplete: "off" });
  const most = h("input", { type: "number", min: "1", max: "50", value: "10" });
  const ranker = select([["auto", "A reranker, if there is one"], ["none", "None"]], "auto");
  const threshold = h("input", { type: "number", min: "0", max: "1", step: "0.01", value: "0" });
  const meaning = h("input", { type: "number", min: "0", step: "0.1", placeholder: "3" });
  const words = h("input", { type: "number", min: "0", step: "0.1", placeholder: "1" });
  const rewrite = checkbox("Have a model rewrite the query");
  const filters = jsonField("Filters", 'Such as {"type": "eq", "key": "year", "value": 2024}.');
  const status = h("p", { class: "faint", role: "status" });
  const hits = h("ol", { class: "hits", "aria-label": "Results" });
  const search = async () => {
    const given = filters.read();
    const began = performance.now();
    const found = await post(
      `${path}/search`,
      {
        query: query.value,
        max_num_results: Number(most.value),
        rewrite_query: rewrite.box.checked,
        ranking_options: { ranker: ranker.value, score_threshold: Number(threshold.value), ...weights(meaning.value, words.value) },
        ...(given !== undefined && { filters: given }),
      },
      { signal: page.signal },
    );
    const texts = found.search_query;
    const results = found.data.length === 1 ? "1 result" : `${found.data.length} results`;
    const searched = texts.length > 1 ? ` for ${texts.map((text) => `“${text}”`).join(" and ")}` : "";
    setText(status, `${results}${searched} in ${duration((performance.now() - began) / 1000)}.`);
    show(hits, found.data.map((hit) => hitOf(hit, texts)));
  };
  const options = h(
    "details",
    {},
    h("summary", {}, "Ranking and filters"),
    h(
      "div",
      { class: "page" },
      h(
        "div",
        { class: "fields" },
        field("Results at most", most),
        field("Least score", threshold),
        field("Reranker", ranker),
        field("Weight of the meaning", meaning),
        field("Weight of the words", words),
      ),
      rewrite.element,
      filters.element,
    ),
  );
  return h("div", { class: "page" }, form(page, "Search", search, field("Query", query), options), status, hits);
}

// Both weights of the hybrid search, if one of them is given.
function weights(meaning, words) {
  if (!meaning && !words) return {};
  return { hybrid_search: { embedding_weight: Number(meaning || 3), text_weight: Number(words || 1) } };
}

function hitOf(hit, queries) {
  const attributes = Object.keys(hit.attributes).length ? h("code", {}, JSON.stringify(hit.attributes)) : null;
  return h(
    "li",
    {},
    h("div", { class: "row" }, h("strong", { class: "wrap" }, hit.filename), h("span", { class: "badge" }, `score ${hit.score.toFixed(3)}`), attributes),
    hit.content.map((part) => h("pre", { class: "text", tabindex: "0" }, marked(part.text, queries))),
  );
}

// The text, with the words of the queries marked.
function marked(text, queries) {
  const words = new Set(queries.flatMap((one) => one.toLowerCase().match(/[\p{L}\p{N}]{3,}/gu) ?? []));
  return text.split(/([\p{L}\p{N}]+)/u).map((part) => (words.has(part.toLowerCase()) ? h("mark", {}, part) : part));
}
