// Make images from a text.

import { events } from "../../lib/api.js";
import { add, card, field, h, select, setText, show } from "../../lib/dom.js";
import { modelField } from "../../lib/models.js";
import { runner } from "../../lib/runs.js";

export function open(page) {
  const model = modelField("images", page.models, "gpt-image-1");
  const prompt = h("textarea", { rows: "3", value: "A blue circle on white" });
  const size = h("input", { type: "text", value: "auto", list: "sizes", spellcheck: "false" });
  const sizes = h("datalist", { id: "sizes" }, ["auto", "256x256", "512x512", "1024x1024", "1024x1536", "1536x1024"].map((value) => h("option", { value })));
  const quality = select(["auto", "low", "medium", "high"], "auto");
  const previews = select(["0", "1", "2", "3"], "2");
  const status = h("p", { class: "faint", role: "status" });
  const gallery = h("ul", { class: "gallery", "aria-label": "Images" });
  const make = async (signal) => {
    const body = { model: model.input.value, prompt: prompt.value, size: size.value, quality: quality.value, stream: true, partial_images: Number(previews.value) };
    const image = h("img", { alt: `Preview: ${prompt.value}` });
    const item = h("li", {}, image);
    const began = performance.now();
    setText(status, "Waiting for the model…");
    try {
      for await (const event of events("v1/images/generations", { json: body, signal })) {
        if (!event.b64_json) continue;
        image.src = `data:image/${event.output_format ?? "png"};base64,${event.b64_json}`;
        if (!item.parentNode) gallery.prepend(item);
        const whole = event.type.endsWith("completed");
        if (whole) finish(item, image, prompt.value);
        const seconds = ((performance.now() - began) / 1000).toFixed(1);
        setText(status, whole ? `Made in ${seconds} s.` : `Preview ${event.partial_image_index + 1} after ${seconds} s.`);
      }
    } catch (error) {
      setText(status, error.name === "AbortError" ? "Stopped." : "");
      throw error;
    }
  };
  const run = runner({ page, label: "Make an image", work: make });
  add(
    page.main,
    card(
      "Images",
      field("Prompt", prompt),
      h("div", { class: "fields" }, model.element, h("div", {}, field("Size", size), sizes), field("Quality", quality), field("Previews", previews)),
      h("div", { class: "row" }, run.go, run.stop),
      status,
      gallery,
    ),
  );
}

function finish(item, image, prompt) {
  image.alt = prompt;
  show(item, image, h("a", { href: image.src, download: "image" }, "Save"));
}
