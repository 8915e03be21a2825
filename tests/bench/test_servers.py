"""Servers that are measured: they leave nothing with the user who measures."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bench.servers import openedai
from tests.support import fetch


def test_what_is_measured_is_not_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    body = {"model": "mine", "prompt": "a"}

    async def measure() -> int:
        async with openedai('[[models]]\nid = "mine"\nengine = "echo"\n') as (url, _):
            return (await asyncio.to_thread(fetch, f"{url}/completions", "POST", json=body)).status

    assert asyncio.run(measure()) == 200
    assert list(tmp_path.iterdir()) == []
