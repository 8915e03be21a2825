// Transcribe a file, or what the microphone hears.

import { send } from "../../lib/api.js";
import { add, button, card, field, h, select, setText } from "../../lib/dom.js";
import { modelField } from "../../lib/models.js";
import { runner } from "../../lib/runs.js";
import { Table } from "../../lib/table.js";

export function open(page) {
  const model = modelField("transcription", page.models, "whisper-1");
  const file = h("input", { type: "file", accept: "audio/*,video/*" });
  const language = h("input", { type: "text", placeholder: "found out", maxlength: "20" });
  const prompt = h("input", { type: "text", placeholder: "none" });
  const task = select([["transcriptions", "Transcribe"], ["translations", "Translate into English"]], "transcriptions");
  const player = h("audio", { controls: true, "aria-label": "The recording" });
  player.hidden = true;
  const status = h("p", { class: "faint", role: "status" });
  const text = h("pre", { class: "text", role: "region", "aria-label": "Text", "aria-live": "polite" });
  const segments = new Table({
    caption: "Segments",
    columns: [
      { title: "From", text: (row) => row.start.toFixed(2) },
      { title: "To", text: (row) => row.end.toFixed(2) },
      { title: "Text", text: (row) => row.text.trim() },
    ],
  });
  segments.element.hidden = true;
  let recorded = null;
  let url = null;
  const heard = (blob) => {
    if (url) URL.revokeObjectURL(url);
    url = URL.createObjectURL(blob);
    player.src = url;
    player.hidden = false;
  };
  file.addEventListener("change", () => {
    recorded = null;
    if (file.files[0]) heard(file.files[0]);
  });
  const recorder = recording(page, (blob) => {
    recorded = blob;
    file.value = "";
    heard(blob);
    setText(status, "Recorded.");
  });
  const transcribe = async (signal) => {
    const sound = recorded ?? file.files[0];
    if (!sound) return setText(status, "Choose a file, or record something.");
    setText(status, "Listening…");
    const form = new FormData();
    form.append("file", sound, sound.name ?? "recording.webm");
    form.append("model", model.input.value);
    form.append("response_format", "verbose_json");
    if (language.value && task.value === "transcriptions") form.append("language", language.value);
    if (prompt.value) form.append("prompt", prompt.value);
    const began = performance.now();
    const answer = await (await send(`v1/audio/${task.value}`, { form, signal })).json();
    setText(text, answer.text);
    segments.update(answer.segments ?? []);
    segments.element.hidden = !answer.segments?.length;
    const seconds = (performance.now() - began) / 1000;
    setText(status, `${(answer.duration ?? 0).toFixed(1)} s of ${answer.language ?? "sound"} in ${seconds.toFixed(1)} s.`);
  };
  const run = runner({
    page,
    label: "Transcribe",
    work: (signal) =>
      transcribe(signal).catch((error) => {
        setText(status, "");
        throw error;
      }),
  });
  add(
    page.main,
    card(
      "Transcription",
      h("div", { class: "fields" }, field("File", file), model.element, field("Task", task), field("Language", language), field("Prompt", prompt)),
      h("div", { class: "row" }, run.go, run.stop, recorder),
      player,
      status,
      text,
      segments.element,
    ),
  );
  return () => url && URL.revokeObjectURL(url);
}

function recording(page, done) {
  let recorder = null;
  const toggle = button("Record", async () => {
    if (recorder) return recorder.stop();
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
      const chunks = [];
      recorder = new MediaRecorder(stream);
      recorder.ondataavailable = (event) => chunks.push(event.data);
      recorder.onstop = () => {
        for (const track of stream.getTracks()) track.stop();
        const type = recorder.mimeType;
        recorder = null;
        setText(toggle, "Record");
        done(new Blob(chunks, { type }));
      };
      recorder.start();
      setText(toggle, "Stop recording");
    } catch {
      page.fail(new Error("the microphone cannot be used"));
    }
  }, { class: "quiet" });
  toggle.hidden = !navigator.mediaDevices?.getUserMedia || !window.MediaRecorder;
  page.signal.addEventListener("abort", () => recorder?.stop());
  return toggle;
}
