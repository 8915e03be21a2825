// Speak a text.

import { get, send } from "../../lib/api.js";
import { add, card, field, h, newId, select, setText } from "../../lib/dom.js";
import { modelField } from "../../lib/models.js";
import { runner } from "../../lib/runs.js";

export function open(page) {
  const model = modelField("speech", page.models, "tts-1");
  const voices = newId("voices");
  const voice = h("input", { type: "text", list: voices, value: "alloy", spellcheck: "false" });
  const known = h("datalist", { id: voices });
  const format = select(["mp3", "wav", "opus", "flac", "aac"], "mp3");
  const speed = h("input", { type: "number", min: "0.25", max: "4", step: "0.05", value: "1" });
  const text = h("textarea", { rows: "5", value: "Good morning. The kettle is on." });
  const audio = h("audio", { controls: true, "aria-label": "The speech" });
  const saved = h("a", { class: "faint" }, "Save the file");
  const status = h("p", { class: "faint", role: "status" });
  const result = h("div", { class: "row" }, audio, saved);
  result.hidden = true;
  let url = null;
  const speak = async (signal) => {
    const began = performance.now();
    setText(status, "Speaking…");
    const body = { model: model.input.value, voice: voice.value, input: text.value, response_format: format.value, speed: Number(speed.value) };
    try {
      const response = await send("v1/audio/speech", { json: body, signal });
      const blob = await response.blob();
      if (url) URL.revokeObjectURL(url);
      url = URL.createObjectURL(blob);
    } catch (error) {
      setText(status, "");
      throw error;
    }
    audio.src = url;
    saved.href = url;
    saved.download = `speech.${format.value}`;
    result.hidden = false;
    setText(status, `Made in ${((performance.now() - began) / 1000).toFixed(1)} s.`);
    audio.play().catch(() => {}); // the browser may ask for a click first
  };
  const run = runner({ page, label: "Speak", work: speak });
  const list = async () => {
    try {
      const answer = await get(`v1/audio/voices?model=${encodeURIComponent(model.input.value)}`, { signal: page.signal });
      const names = (answer.voices ?? answer.data ?? []).map((one) => (typeof one === "string" ? one : (one.id ?? one.name)));
      known.replaceChildren(...names.map((name) => h("option", { value: name })));
    } catch {
      known.replaceChildren(); // any name may be typed
    }
  };
  model.input.addEventListener("change", list);
  add(
    page.main,
    card(
      "Speech",
      field("Text", text),
      h("div", { class: "fields" }, model.element, h("div", {}, field("Voice", voice), known), field("Format", format), field("Speed", speed)),
      h("div", { class: "row" }, run.go, run.stop),
      status,
      result,
    ),
  );
  list();
  return () => url && URL.revokeObjectURL(url);
}
