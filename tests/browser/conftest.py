from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from openedai.config import ModelSpec, Secret
from tests.browser.chromium import Watched, chromium, launched
from tests.support import ECHO_MODELS, TWO_CALLS, Running, ServerThread, echo_settings

HOSTILE = "<img src=x onerror=document.title='hacked'>"
ADMIN, OTHER = "the-admin-key", "another-key"
MODELS = (
    *ECHO_MODELS,
    ModelSpec(id=HOSTILE, engine="echo", license="<b>bold</b>"),
    ModelSpec(id="calls-twice", engine="echo", options={"reply": TWO_CALLS}),
    ModelSpec(id="markup", engine="echo", options={"reply": f"<script>alert(1)</script>{HOSTILE}"}),
    ModelSpec(id="hub", engine="llama_cpp", source="hf:a/b:Q4_K_M"),
)


@pytest.fixture(scope="module")  # while it is open, its event loop is that of the thread
def browser() -> Iterator[Browser]:
    path = chromium()
    if path is None:
        pytest.skip("there is no Chromium on this machine: scripts/browser installs it")
    with launched(path) as browser:
        yield browser


@pytest.fixture(scope="session")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("data")
    settings = echo_settings(data=folder, cache_dir=folder, models=MODELS, offline=True, usage=True)
    with ServerThread(settings) as running:
        yield running


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Running]:
    """A server of one test, which begins without keys."""
    with ServerThread(echo_settings(data=tmp_path, usage=True)) as running:
        yield running


@pytest.fixture(scope="session")
def keyed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("data")
    settings = echo_settings(data=folder, api_key=Secret(ADMIN), api_keys=(Secret(OTHER),))
    with ServerThread(settings) as running:
        yield running


@pytest.fixture
def watch(browser: Browser) -> Iterator[Callable[..., Watched]]:
    """Opens watched pages, of which none may have had a fault."""
    opened: list[Watched] = []

    def open(server: Running, **options: Any) -> Watched:
        opened.append(Watched(browser, server.url, **options))
        return opened[-1]

    yield open
    for one in opened:
        one.close()
    assert [fault for one in opened for fault in one.faults] == []
