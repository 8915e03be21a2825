"""Every page in Chromium: without errors, on a phone, in both colours, for a screen reader."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Error

from openedai.api.console import pages
from tests.browser.chromium import Watched
from tests.support import Running

pytestmark = pytest.mark.clients

FILES = Path(pages.__file__).parent / "static"
PLAYGROUND = tuple(f"playground/{file.stem}" for file in FILES.glob("pages/playground/*.js"))
NAMES = (
    *re.findall(r'name: "(\w+)"', (FILES / "pages.js").read_text("utf-8")),
    *(name for name in PLAYGROUND if not name.endswith(("parameters", "tokens"))),
)
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 360, "height": 740}


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_a_page(
    open_server: Running, watch: Callable[..., Watched], name: str, colours: Any
) -> None:
    with open_server.client() as client:
        client.completions.create(model="echo", prompt="hi")
    watched = watch(open_server, viewport=DESKTOP, color_scheme=colours)
    page = watched.open(name)
    assert page.title().endswith("– OpenedAI")
    assert page.locator("h1").count() == 1
    page.wait_for_timeout(300)  # some of what it shows comes by streams
    assert page.locator('[role="alert"]:visible').count() == 0
    assert watched.violations() == []
    assert watched.width() <= DESKTOP["width"]


@pytest.mark.parametrize("name", NAMES)
def test_on_a_phone_it_is_as_wide_as_the_screen(
    open_server: Running, watch: Callable[..., Watched], name: str
) -> None:
    watched = watch(open_server, viewport=PHONE, has_touch=True, is_mobile=True)
    page = watched.open(name)
    assert watched.width() == PHONE["width"]
    menu = page.get_by_role("button", name="Menu")
    menu.tap()
    assert menu.get_attribute("aria-expanded") == "true"
    page.get_by_role("navigation").get_by_role("link", name="Settings").tap()
    page.locator('main[data-ready="settings"]').wait_for()
    assert menu.get_attribute("aria-expanded") == "false"
    assert watched.width() == PHONE["width"]


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_the_reference_of_the_api(
    open_server: Running, watch: Callable[..., Watched], colours: Any
) -> None:
    watched = watch(open_server, viewport=DESKTOP, color_scheme=colours)
    page = watched.page
    page.goto(f"{open_server.url}/docs")
    page.locator('main[data-ready="docs"]').wait_for()
    page.get_by_label("Find").fill("/v1/embeddings dimensions")
    page.get_by_text("Embed texts").first.click()
    page.get_by_text("encoding_format").first.wait_for()
    page.get_by_text("Try it").first.click()
    page.get_by_label("Body").fill('{"model": "echo", "input": "hi", "dimensions": 2}')
    page.get_by_role("button", name="Send POST").click()
    page.get_by_text('"object": "list"').wait_for()
    assert watched.violations() == []


@pytest.mark.parametrize("gone", ["script", "data"])
def test_a_page_opens_when_the_server_is_there_again(
    open_server: Running, watch: Callable[..., Watched], gone: str
) -> None:
    watched = watch(open_server)
    page = watched.open("settings")
    page.clock.install()
    addresses = re.compile("/pages/files.js" if gone == "script" else r"/v1/files|/api/session")
    page.route(addresses, lambda route: route.abort())
    page.evaluate("location.hash = '#/files'")
    page.get_by_role("alert").get_by_text("The server cannot be reached.").wait_for()
    page.unroute(addresses)
    page.clock.run_for(4000)
    page.get_by_role("button", name="Upload", exact=True).wait_for()
    page.get_by_role("columnheader", name="Purpose").or_(page.get_by_text("no files")).wait_for()
    assert page.locator('[role="alert"]:visible').count() == 0


def test_markup_cannot_be_made_from_text(
    open_server: Running, watch: Callable[..., Watched]
) -> None:
    """The browser itself refuses it, and connections to elsewhere."""
    watched = watch(open_server)
    page = watched.open("playground")
    with pytest.raises(Error, match="TrustedHTML"):
        page.evaluate("document.body.innerHTML = '<b>x</b>'")
    with pytest.raises(Error, match=r"Failed to fetch|violates"):
        page.evaluate("fetch('http://127.0.0.1:9/')")
    page.wait_for_timeout(200)
    watched.faults.clear()


def test_the_switch_of_the_colours_is_kept(
    open_server: Running, watch: Callable[..., Watched]
) -> None:
    watched = watch(open_server, color_scheme="light")
    page = watched.open("settings")
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.get_by_label("Colours").select_option("dark")
    dark = page.evaluate(background)
    assert dark != light
    page.reload()
    page.locator('main[data-ready="settings"]').wait_for()
    assert page.evaluate(background) == dark
    page.get_by_label("Colours").select_option("")
    assert page.evaluate(background) == light
