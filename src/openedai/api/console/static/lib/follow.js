// Streams of the server that a page shows for as long as it is open.

import { events } from "./api.js";

const PAUSE = 2000; // milliseconds before another try

// Calls `update` with each value of a stream until the page is left; connects again after a fault.
export async function follow(page, path, update) {
  while (!page.signal.aborted) {
    try {
      for await (const value of events(path, { signal: page.signal })) {
        page.fail(null);
        update(value);
      }
    } catch (error) {
      page.fail(error);
      if (error.status === 401 || error.status === 403) return;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}
