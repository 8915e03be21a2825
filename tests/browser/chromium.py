"""Chromium, and pages of the console in it that are watched for what must not happen."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.sync_api import Browser, Page, sync_playwright

_AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_NAMES = ("chromium", "chromium-browser", "google-chrome")
# Chromium's hint about forms, and what it logs for answers with an error that are expected.
_HARMLESS = ("Password field is not contained", "Failed to load resource")


def chromium() -> str | None:
    """The program of the browser; None if there is none. `scripts/browser` installs one."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


@contextmanager
def launched(path: str) -> Iterator[Browser]:
    """The browser, without its sandbox, which needs rights that root in a container may lack."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=[
                "--no-sandbox",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
            ],
        )
        yield browser
        browser.close()


class Watched:
    """A page of the browser at a server. `faults` are errors of scripts and of the console, and
    requests to other origins.
    """

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.url = url
        self.faults: list[str] = []
        self.context = browser.new_context(**options)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("request", lambda request: self._requested(request.url))

    def open(self, name: str) -> Page:
        """The page of the console with this name, once it is drawn."""
        self.page.goto(f"{self.url}/console/#/{name}")
        self.page.locator(f'main[data-ready="{name.partition("/")[0]}"]').wait_for()
        return self.page

    def width(self) -> int:
        """How wide the contents of the page are, in pixels."""
        return int(self.page.evaluate("document.documentElement.scrollWidth"))

    def violations(self) -> list[str]:
        """What axe-core finds wrong with the page: the rule, and the elements."""
        self.page.evaluate(_AXE.read_text("utf-8"))
        found = self.page.evaluate("rules => axe.run({runOnly: rules})", _RULES)
        return [
            f"{one['id']}: {node['target']} {node['failureSummary']}"
            for one in found["violations"]
            for node in one["nodes"]
        ]

    def close(self) -> None:
        self.context.close()

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not text.startswith(_HARMLESS):
            self.faults.append(f"console: {text}")

    def _requested(self, url: str) -> None:
        if not url.startswith((self.url, "data:", "blob:")):
            self.faults.append(f"request: {url}")
