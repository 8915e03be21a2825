// The files of the API: downloads, the beginning of a text, and a choice of one.

import { ApiError, all, send } from "./api.js";
import { field, h, select } from "./dom.js";
import { bytes } from "./format.js";
import { uploader } from "./uploads.js";

const SHOWN = 65536; // bytes of a text

function contentOf(id) {
  return `v1/files/${encodeURIComponent(id)}/content`;
}

// Saves a file where the browser saves what it downloads.
export async function download(id, name, { signal } = {}) {
  const blob = await (await send(contentOf(id), { signal })).blob();
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

// {text, whole}: the first 64 KiB of a file, and whether that is all. Fails if it is not a text.
export async function beginning(id, { signal } = {}) {
  const reader = (await send(contentOf(id), { signal })).body.getReader();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  let size = 0;
  try {
    while (size < SHOWN) {
      const { done, value } = await reader.read();
      if (done) return { text: text + decoder.decode(), whole: true };
      const part = value.subarray(0, SHOWN - size);
      size += part.length;
      text += decoder.decode(part, { stream: true });
    }
    return { text, whole: false };
  } catch (error) {
    if (error instanceof TypeError) throw new ApiError("This file is not a text in UTF-8: download it to see what is in it.");
    throw error;
  } finally {
    reader.cancel().catch(() => {});
  }
}

// A choice of a stored file of a purpose, or of a new one, which `id()` uploads. `id()` is null if there is none.
export async function fileChoice(page, label, purpose, { hint = "", required = true } = {}) {
  const files = await all(`v1/files?purpose=${purpose}&limit=1000`, { signal: page.signal });
  const options = files.map((one) => [one.id, `${one.filename} (${bytes(one.bytes)})`]);
  const stored = select([["", required ? "A new one" : "None, or a new one"], ...options], "");
  const fresh = h("input", { type: "file" });
  const offer = () => {
    fresh.disabled = Boolean(stored.value);
    fresh.required = required && !stored.value;
  };
  stored.addEventListener("input", offer);
  offer();
  const uploaded = new WeakMap(); // ids by files, so that what is refused can be tried again
  const uploads = uploader(page);
  return {
    elements: [field(label, stored, hint), h("div", {}, field(`${label}: upload`, fresh), uploads.element)],
    stored,
    fresh,
    async id() {
      if (stored.value) return stored.value;
      const file = fresh.files[0];
      if (!file) return null;
      if (!uploaded.has(file)) uploaded.set(file, (await uploads.upload(file, purpose)).id);
      uploads.say("");
      return uploaded.get(file);
    },
  };
}
