// The parameters of a chat: those that are left empty are not sent.

import { ApiError } from "../../lib/api.js";
import { field, h, select } from "../../lib/dom.js";

const NUMBERS = [
  ["temperature", 0, 2, 0.1],
  ["top_p", 0, 1, 0.05],
  ["max_completion_tokens", 1, null, 1],
  ["frequency_penalty", -2, 2, 0.1],
  ["presence_penalty", -2, 2, 0.1],
  ["seed", null, null, 1],
  ["top_k", 0, null, 1],
  ["min_p", 0, 1, 0.01],
  ["repetition_penalty", 0, 2, 0.05],
];

// An element with the controls, and `values()`, which throws an ApiError for JSON that is not valid.
export function parameters() {
  const numbers = NUMBERS.map(([name, min, max, step]) => [
    name,
    h("input", { type: "number", min, max, step, inputmode: "decimal", placeholder: "default" }),
  ]);
  const stop = h("input", { type: "text", spellcheck: "false", placeholder: "none" });
  const effort = select([["", "default"], "none", "minimal", "low", "medium", "high"], "");
  const schema = h("textarea", { class: "mono", rows: "4", spellcheck: "false", placeholder: '{"type": "object", "properties": {…}}' });
  const tools = h("textarea", { class: "mono", rows: "4", spellcheck: "false", placeholder: '[{"type": "function", "function": {"name": "…"}}]' });
  const more = h("textarea", { class: "mono", rows: "3", spellcheck: "false", placeholder: '{"logit_bias": {"50256": -100}}' });
  const element = h(
    "div",
    { class: "page" },
    h("details", { open: true }, h("summary", {}, "Sampling"), h("div", { class: "pair" }, numbers.map(([name, input]) => field(name, input)), field("stop", stop), field("reasoning_effort", effort))),
    h("details", {}, h("summary", {}, "JSON Schema of the answer"), field("Schema", schema, "The answer follows it exactly.")),
    h("details", {}, h("summary", {}, "Tools"), field("Tools as JSON", tools, "What the model calls is shown, and you type the results.")),
    h("details", {}, h("summary", {}, "Other parameters"), field("More members of the body, as JSON", more)),
  );
  const values = () => {
    const body = {};
    for (const [name, input] of numbers) if (input.value !== "") body[name] = Number(input.value);
    if (stop.value) body.stop = [stop.value.replaceAll("\\n", "\n")];
    if (effort.value) body.reasoning_effort = effort.value;
    const format = parsed("The schema", schema);
    if (format) body.response_format = { type: "json_schema", json_schema: { name: "answer", schema: format, strict: true } };
    const functions = parsed("The tools", tools);
    if (functions) body.tools = functions;
    return { ...body, ...parsed("What else is sent", more) };
  };
  return { element, values };
}

function parsed(what, control) {
  const text = control.value.trim();
  if (!text) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ApiError(`${what} is not valid JSON: ${error.message}`);
  }
}
