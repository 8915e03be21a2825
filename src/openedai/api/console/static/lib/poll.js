// What a page asks for again and again, for as long as it is open and seen.

// Calls `work` `seconds` after it was last done, as long as it is `needed`. An error is shown until it works again.
export function poll(page, seconds, work, needed = () => true) {
  let failed = false;
  let timer = null;
  const turn = async () => {
    try {
      if (!document.hidden && (failed || needed())) await work();
      if (failed) page.fail(null);
      failed = false;
    } catch (error) {
      failed = true;
      page.fail(error);
    }
    if (!page.signal.aborted) timer = setTimeout(turn, 1000 * seconds);
  };
  timer = setTimeout(turn, 1000 * seconds);
  page.signal.addEventListener("abort", () => clearTimeout(timer));
}
