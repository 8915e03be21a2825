// One thing that runs at a time, with a button to stop it.

import { button } from "./dom.js";

// `work(signal)` is run by `start`; the buttons show whether it runs. `fail` gets its error.
export function runner({ page, label, work }) {
  let running = null;
  const go = button(label, () => start(), { "data-action": "run" });
  const stop = button("Stop", () => running?.abort(), { class: "quiet", "data-action": "stop" });
  stop.hidden = true;
  page.signal.addEventListener("abort", () => running?.abort());
  const start = async () => {
    if (running) return;
    running = new AbortController();
    const focused = document.activeElement === go;
    stop.hidden = false;
    go.disabled = true;
    if (focused) stop.focus();
    page.fail(null);
    try {
      await work(running.signal);
    } catch (error) {
      page.fail(error);
    } finally {
      running = null;
      const back = document.activeElement === stop;
      go.disabled = false;
      stop.hidden = true;
      if (back) go.focus();
    }
  };
  return { go, stop, start, isRunning: () => running !== null };
}
