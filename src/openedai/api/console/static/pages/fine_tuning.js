// Fine-tuning: the jobs, each with its loss curves, and new ones.

import { get, post } from "../lib/api.js";
import { add, card, field, h, newId, select } from "../lib/dom.js";
import { fileChoice } from "../lib/files.js";
import { moment, number } from "../lib/format.js";
import { form, statusCell } from "../lib/forms.js";
import { metadataRows } from "../lib/metadata.js";
import { PagedTable } from "../lib/paged.js";
import { poll } from "../lib/poll.js";
import { openJob } from "./fine_tuning/job.js";

export const title = "Fine-tuning";

const EVERY = 3; // seconds
const METHODS = [
  ["supervised", "Examples (supervised)"],
  ["dpo", "Preferences (dpo)"],
];

export async function open(page) {
  if (page.path[0]) return openJob(page, page.path[0]);
  const table = new PagedTable(page, () => "v1/fine_tuning/jobs", {
    caption: "Fine-tuning jobs, the newest first",
    empty: "There are no fine-tuning jobs.",
    columns: [
      { title: "Job", cell: (row) => h("a", { class: "mono wrap", href: `#/fine_tuning/${encodeURIComponent(row.id)}` }, row.id) },
      { title: "Model", text: (row) => [row.model, row.suffix].filter(Boolean).join(" · ") },
      { title: "Method", text: (row) => row.method.type },
      { title: "Status", cell: statusCell },
      { title: "Tokens", number: true, text: (row) => number(row.trained_tokens) },
      { title: "Made", text: (row) => moment(row.created_at) },
    ],
  });
  const creation = await newJob(page);
  add(page.main, card("Fine-tuning jobs", table.element), card("Train a model", creation));
  await table.reload();
  poll(page, EVERY, () => table.reload());
}

async function newJob(page) {
  const [models, training, validation] = await Promise.all([
    get("v1/models", { signal: page.signal }),
    fileChoice(page, "Training file", "fine-tune", { hint: "Examples in lines of JSON." }),
    fileChoice(page, "Validation file", "fine-tune", { required: false }),
  ]);
  const names = h("datalist", { id: newId("models") }, models.data.map((one) => h("option", { value: one.id })));
  const model = h("input", { type: "text", required: true, list: names.id, spellcheck: "false", autocomplete: "off" });
  const suffix = h("input", { type: "text", maxlength: "64", spellcheck: "false", autocomplete: "off" });
  const seed = h("input", { type: "number", min: "0", step: "1", placeholder: "random" });
  const method = select(METHODS, "supervised");
  const auto = { type: "number", min: "0", step: "any", placeholder: "auto" };
  const values = {
    n_epochs: h("input", auto),
    batch_size: h("input", auto),
    learning_rate_multiplier: h("input", auto),
    beta: h("input", auto),
  };
  const beta = field("Beta", values.beta);
  const offer = () => {
    beta.hidden = method.value !== "dpo";
  };
  method.addEventListener("input", offer);
  offer();
  const metadata = metadataRows();
  const create = async () => {
    const labels = metadata.read();
    const given = Object.entries(values).filter(([name, input]) => input.value && (name !== "beta" || method.value === "dpo"));
    const hyperparameters = Object.fromEntries(given.map(([name, input]) => [name, Number(input.value)]));
    const validationFile = await validation.id();
    const made = await post("v1/fine_tuning/jobs", {
      model: model.value.trim(),
      training_file: await training.id(),
      ...(validationFile && { validation_file: validationFile }),
      ...(suffix.value.trim() && { suffix: suffix.value.trim() }),
      ...(seed.value && { seed: Number(seed.value) }),
      ...(Object.keys(labels).length && { metadata: labels }),
      method: { type: method.value, [method.value]: { hyperparameters } },
    });
    location.hash = `#/fine_tuning/${encodeURIComponent(made.id)}`;
  };
  return form(
    page,
    "Train",
    create,
    h("div", { class: "fields" }, field("Model", model), field("Method", method), training.elements, validation.elements),
    names,
    h(
      "details",
      {},
      h("summary", {}, "Hyperparameters"),
      h(
        "div",
        { class: "fields" },
        field("Suffix", suffix, "A part of the new model's name."),
        field("Epochs", values.n_epochs),
        field("Batch size", values.batch_size),
        field("Learning rate multiplier", values.learning_rate_multiplier),
        beta,
        field("Seed", seed),
      ),
    ),
    metadata.element,
  );
}
