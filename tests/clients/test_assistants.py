"""Clients that speak the Assistants API, on the echo engine: it says what the user said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.running import run
from tests.support import Running

pytestmark = [pytest.mark.clients, pytest.mark.timeout(1500)]


def test_langchain(echo_server: Running, tmp_path: Path) -> None:
    seen = run(
        "langchain", echo_server, tmp_path, program="assistants", package="langchain-classic"
    )
    assert (seen["first"], seen["second"]) == ("Good morning.", "Good night.")
    assert seen["agent"] == "Good day."
    assert seen["tool"] == ["get_weather", {"city": "Paris"}, ["get_weather"]]
