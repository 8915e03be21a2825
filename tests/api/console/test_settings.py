"""The settings in force with their sources; no secret is in the answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from openedai.api.console.settings import HIDDEN, shown
from openedai.config import ModelSpec, Secret, load_settings
from tests.support import ServerThread, fetch

TOML = """
api_key = "sk-of-the-file"
memory_budget = "2GiB"
idle_timeout = 5
web_search = "searxng"
web_search_url = "http://name:hidden-too@search.example/"
builtin_models = false
chat_model = "a"

[[models]]
id = "a"
engine = "echo"

[[models]]
id = "b"
engine = "upstream"
options = { url = "http://127.0.0.1:1", key = "upstream-key" }
"""
SECRETS = ("sk-of-the-file", "hidden-too", "upstream-key", "sk-of-the-flag")


def in_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    monkeypatch.setenv("OPENEDAI_IDLE_TIMEOUT", "7")
    monkeypatch.setenv("OPENEDAI_MAX_QUEUE", "9")
    file = tmp_path / "openedai.toml"
    file.write_text(TOML)
    settings = load_settings(
        file, max_queue=11, api_keys=(Secret("sk-of-the-flag"),), data=tmp_path
    )
    with ServerThread(settings) as server:
        headers = {"authorization": "Bearer sk-of-the-file"}
        answer = fetch(f"{server.url}/console/api/settings", headers=headers)
    assert answer.status == 200
    assert not [secret for secret in SECRETS if secret in answer.body.decode()]
    return {one["name"]: one for one in json.loads(answer.body)["settings"]}


def test_each_has_its_value_and_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = in_force(tmp_path, monkeypatch)
    values = {name: (found[name]["value"], found[name]["origin"]) for name in found}
    assert values["memory_budget"] == ("2GiB", "file")
    assert values["idle_timeout"] == (7.0, "environment")
    assert values["max_queue"] == (11, "flag")
    assert values["queue_timeout"] == (120.0, "default")
    assert values["api_key"] == (HIDDEN, "file")
    assert values["api_keys"] == ([HIDDEN], "flag")
    assert values["database"] == (None, "default")
    assert values["web_search_url"] == (f"http://{HIDDEN}@search.example/", "file")
    assert values["models"][0][1]["options"] == {"url": "http://127.0.0.1:1", "key": HIDDEN}
    assert found["max_queue"]["default"] == 256
    assert all(one["meaning"] for one in found.values())


def test_values_for_json() -> None:
    assert shown(Secret("x")) == HIDDEN
    assert shown(Secret("")) is None
    assert shown(Path("/a")) == "/a"
    assert shown(ModelSpec(id="a", engine="echo"))["id"] == "a"
    assert shown({"a": (1, 2.5, True, None)}) == {"a": [1, 2.5, True, None]}
