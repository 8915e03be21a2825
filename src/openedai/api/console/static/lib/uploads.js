// Uploads to the API's files, with their progress: a file that is larger than the server takes at once goes in parts.

import { ApiError, address, key, post } from "./api.js";
import { add, button, h, setText } from "./dom.js";
import { bytes, percent } from "./format.js";

const PART = 32 << 20; // bytes

// Shows how far uploads are, with a button to stop them. `upload()` returns the file that was made.
export function uploader(page) {
  const bar = h("progress", { max: "1", "aria-label": "Upload" });
  const stop = button("Stop", () => stopping?.abort(), { class: "quiet small" });
  const running = h("div", { class: "row upload" }, bar, stop);
  const status = h("p", { class: "faint", role: "status" });
  const say = (text) => setText(status, text);
  let stopping = null;
  running.hidden = true;
  const upload = async (file, purpose, { days = 0, position = "" } = {}) => {
    stopping = new AbortController();
    const progress = (share) => {
      bar.value = share;
      // The text is read out: it changes with each tenth only.
      say(`${file.name}${position}: ${percent(Math.floor(share * 10) / 10)} of ${bytes(file.size)}`);
    };
    running.hidden = false;
    progress(0);
    try {
      return await send(page, file, purpose, { days, progress, signal: AbortSignal.any([page.signal, stopping.signal]) });
    } catch (error) {
      say(stopping.signal.aborted ? "The upload was stopped." : "");
      throw error;
    } finally {
      running.hidden = true;
    }
  };
  return { element: add(h("div", { class: "page" }), running, status), say, upload };
}

async function send(page, file, purpose, { days, progress, signal }) {
  const most = page.session.file_max_bytes;
  const seconds = 86400 * days;
  if (file.size > most) {
    const ends = days ? { expires_after: { anchor: "created_at", seconds } } : {};
    return inParts(file, { purpose, ...ends }, Math.min(PART, most), progress, signal);
  }
  const form = new FormData();
  form.append("purpose", purpose);
  if (days) {
    form.append("expires_after[anchor]", "created_at");
    form.append("expires_after[seconds]", String(seconds));
  }
  form.append("file", file, file.name);
  return sendForm("v1/files", form, progress, signal);
}

// Parts of `size` bytes, one after the other. What was sent of a file that is not sent whole is deleted.
async function inParts(file, given, size, progress, signal) {
  const mimeType = file.type || "application/octet-stream";
  const made = await post("v1/uploads", { ...given, filename: file.name, bytes: file.size, mime_type: mimeType }, { signal });
  const path = `v1/uploads/${encodeURIComponent(made.id)}`;
  try {
    const parts = [];
    for (let start = 0; start < file.size; start += size) {
      const data = file.slice(start, start + size);
      const form = new FormData();
      form.append("data", data, file.name);
      const part = await sendForm(`${path}/parts`, form, (share) => progress((start + share * data.size) / file.size), signal);
      parts.push(part.id);
    }
    return (await post(`${path}/complete`, { part_ids: parts }, { signal })).file;
  } catch (error) {
    await post(`${path}/cancel`, {}).catch(() => {}); // if it cannot be, it expires
    throw error;
  }
}

// The answer to a form, whose `progress` is told the share that is sent: fetch() does not tell it.
function sendForm(path, form, progress, signal) {
  const request = new XMLHttpRequest();
  request.open("POST", address(path));
  if (key.get()) request.setRequestHeader("authorization", `Bearer ${key.get()}`);
  request.responseType = "json";
  const abort = () => request.abort();
  return new Promise((resolve, reject) => {
    const stopped = () => reject(new DOMException("The upload was stopped.", "AbortError"));
    if (signal.aborted) return stopped();
    signal.addEventListener("abort", abort);
    request.upload.addEventListener("progress", (event) => progress(event.total ? event.loaded / event.total : 0));
    request.addEventListener("error", () => reject(new ApiError("The server cannot be reached.")));
    request.addEventListener("abort", stopped);
    request.addEventListener("load", () => {
      if (request.status < 300) return resolve(request.response);
      const { message, code, param } = request.response?.error ?? {};
      reject(new ApiError(message ?? `The server answered with status ${request.status}.`, request.status, code, param));
    });
    request.send(form);
  }).finally(() => signal.removeEventListener("abort", abort));
}
