"""The pictures of docs/console.md and of the README: `make screenshots`.

They are of a server with the built-in models, which are downloaded if they are not there. Some
requests run meanwhile, on the `echo` engine. With names, only those pictures are made:
`python -m tests.browser.screenshots keys usage`.
"""

from __future__ import annotations

import io
import logging
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
from openai.types.chat import ChatCompletionMessageParam
from PIL import Image
from playwright.sync_api import Browser, Page

from openedai.config import ModelSpec, Secret, Settings
from tests.browser import example_data
from tests.browser.chromium import Watched, chromium, launched
from tests.support import Running, ServerThread

MEDIA = Path(__file__).parents[2] / "docs" / "media"
MOST_BYTES = 80_000
SIZE = {"width": 1200, "height": 760}
TALL = {"width": 1200, "height": 1000}
PHONE = {"width": 390, "height": 760}
SLOW = {"delay": 0.03, "repeat": 10000, "slots": 4}
KEY = "the-key-of-the-pictures"
CHAT = "smollm2-135m-instruct"
TEXTS = (
    "The cat sleeps on the sofa.\nA kitten naps on the couch.\n"
    "Shares fell on Monday.\nThe market lost two per cent."
)


@dataclass(frozen=True)
class Picture:
    """`draw` does what is to be seen on the page at the address."""

    name: str
    address: str
    draw: Callable[[Page], None]
    colours: Any = "light"
    size: Any = None

    def take(self, browser: Browser, server: Running) -> None:
        options = {"viewport": self.size or SIZE, "color_scheme": self.colours}
        watched = Watched(browser, server.url, **options)
        watched.context.add_init_script(f"sessionStorage.setItem('openedai.key', '{KEY}')")
        self.draw(watched.open(self.address))
        save(watched.page.screenshot(), MEDIA / f"console-{self.name}.webp")
        watched.close()


def said(text: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": text}]


def ask(server: Running, model: str) -> None:
    """A request that lasts until the server stops."""
    with server.client(api_key=KEY, timeout=600) as client, suppress(openai.APIError):
        list(client.chat.completions.create(model=model, messages=said("a b c"), stream=True))


def now(page: Page) -> None:
    page.wait_for_timeout(12_000)  # the charts fill


def models(page: Page) -> None:
    page.get_by_text("loaded", exact=True).first.wait_for()


def chat(page: Page) -> None:
    page.get_by_label("Model", exact=True).fill(CHAT)
    page.get_by_label("Log probabilities, shown for each token").check()
    page.get_by_label("temperature").fill("0")
    page.get_by_label("max_completion_tokens").fill("60")
    page.get_by_label("Message").fill("What is the capital of France?")
    page.get_by_label("Message").press("Enter")
    page.get_by_text("Finished:").wait_for(timeout=120_000)
    page.locator("button.token").nth(5).click()


def embeddings(page: Page) -> None:
    page.get_by_label("Texts").fill(TEXTS)
    page.get_by_role("button", name="Compare").click()
    page.get_by_text("vectors of").wait_for(timeout=120_000)


def vector_store(page: Page) -> None:
    page.get_by_role("link", name="plants").click()
    page.get_by_text("3 searchable").wait_for(timeout=120_000)
    page.get_by_label("Query", exact=True).fill("How do plants make sugar?")
    page.get_by_text("Ranking and filters").click()
    page.get_by_label("Reranker").select_option("None")  # or the `echo` engine ranks
    page.get_by_role("button", name="Search").click()
    page.get_by_text("results in").wait_for(timeout=120_000)


def batch(page: Page) -> None:
    page.get_by_role("link", name="batch_").click()
    page.get_by_text("12 of 12 done").wait_for(timeout=120_000)
    page.get_by_role("button", name="View results").click()
    wait(page)


def job(page: Page) -> None:
    page.get_by_role("link", name="ftjob-").click()
    page.get_by_role("img", name="Loss by step").wait_for()


def usage(page: Page) -> None:
    page.get_by_label("Time").select_option("30 days")
    wait(page)


def wait(page: Page) -> None:
    page.wait_for_timeout(1000)


PICTURES = (
    Picture("now", "now", now),
    Picture("now-dark", "now", now, "dark"),
    Picture("models", "models", models),
    Picture("chat", "playground", chat, "dark"),
    Picture("embeddings", "playground/embeddings", embeddings),
    Picture("files", "files", wait),
    Picture("vector-store", "vector_stores", vector_store, size=TALL),
    Picture("batch", "batches", batch, "dark"),
    Picture("fine-tuning", "fine_tuning", job, size=TALL),
    Picture("keys", "keys", wait),
    Picture("usage", "usage", usage, size=TALL),
    Picture("logs", "logs", wait, "dark"),
    Picture("settings", "settings", wait),
    Picture("phone", "now", now, "dark", PHONE),
)


def save(png: bytes, path: Path) -> None:
    """Write a picture as WebP, in as good a quality as fits."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    for quality in range(90, 10, -10):
        image.save(path, "WEBP", quality=quality, method=6)
        if path.stat().st_size <= MOST_BYTES:
            print(f"{path.name}: {path.stat().st_size:,} bytes")
            return


def main() -> None:
    path = chromium()
    if path is None:
        sys.exit("There is no Chromium: scripts/browser installs it.")
    logging.getLogger("openedai").setLevel("INFO")
    names = ["qwen3-4b"] * 4 + ["llama-3.2-3b"]
    models = tuple(ModelSpec(id=name, engine="echo", options=SLOW) for name in sorted({*names}))
    with tempfile.TemporaryDirectory() as folder:
        example_data.write(Path(folder), KEY)
        settings = Settings(_env_file=None, data=Path(folder), models=models, api_key=Secret(KEY))
        with ServerThread(settings) as server:
            with server.client(api_key=KEY, timeout=300) as client:
                client.chat.completions.create(model=CHAT, messages=said("Hi."), max_tokens=4)
                example_data.upload(client)
            asking = [threading.Thread(target=ask, args=(server, name)) for name in names]
            for thread in asking:
                thread.start()
            with launched(path) as browser:
                for picture in PICTURES:
                    if not sys.argv[1:] or picture.name in sys.argv[1:]:
                        picture.take(browser, server)
        for thread in asking:
            thread.join()


if __name__ == "__main__":
    main()
