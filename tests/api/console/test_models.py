"""`/console/api/models`: what is known of each model, and what can be done with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openedai.config import ModelSpec
from tests.support import ECHO_MODELS, Running, ServerThread, echo_settings, fetch, wait_until

NAMED = "<img src=x onerror=alert(1)>/b"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("data")
    own = folder / "own.gguf"
    own.write_bytes(b"GGUF" + bytes(1000))
    models = (
        *ECHO_MODELS,
        ModelSpec(id=NAMED, engine="echo"),
        ModelSpec(id="own", engine="llama_cpp", source=str(own)),
        ModelSpec(id="gone", engine="llama_cpp", source=str(folder / "none.gguf")),
        ModelSpec(id="hub", engine="llama_cpp", source="hf:a/b:Q4_K_M"),
    )
    with ServerThread(
        echo_settings(data=folder, cache_dir=folder, models=models, offline=True)
    ) as running:
        yield running


def ask(server: Running, method: str, path: str = "") -> tuple[int, Any]:
    answer = fetch(f"{server.url}/console/api/models{path}", method)
    return answer.status, json.loads(answer.body)


def known(server: Running, id: str) -> Any:
    _, answer = ask(server, "GET")
    return next(one for one in answer["models"] if one["info"]["id"] == id)


def test_the_list(server: Running) -> None:
    status, answer = ask(server, "GET")
    assert status == 200
    assert answer["memory_budget"] > 0
    own = known(server, "own")
    assert own["info"]["state"] == "on_disk"
    assert own["info"]["size_on_disk"] == own["expected_memory"] == 1004
    assert known(server, "gone")["info"]["state"] == "missing"
    assert known(server, "hub")["info"]["state"] == "not_downloaded"
    assert known(server, "hub")["expected_memory"] is None
    assert known(server, NAMED)["info"]["capabilities"]


@pytest.mark.parametrize("id", ["owner/echo:latest", NAMED])
def test_load_and_unload(server: Running, id: str) -> None:
    path = "/" + id.replace("<", "%3C").replace(">", "%3E").replace(" ", "%20")
    assert ask(server, "POST", f"{path}/load") == (200, {"id": id, "state": "loaded"})
    assert known(server, id)["info"]["state"] == "loaded"
    assert known(server, id)["expected_memory"]  # as measured
    assert ask(server, "POST", f"{path}/unload") == (200, {"id": id, "state": "unloaded"})
    assert known(server, id)["info"]["state"] == "no_weights"


def test_what_cannot_be_loaded_says_why(server: Running) -> None:
    status, answer = ask(server, "POST", "/unloadable/load")
    assert status == 500
    assert "The weights are bad." in answer["error"]["message"]


def test_a_download_that_fails_says_why(server: Running) -> None:
    status, begun = ask(server, "POST", "/hub/download")
    assert (status, begun["model"]) == (200, "hub")
    downloads = server.app.state.services.downloads
    wait_until(lambda: [one.state for one in downloads.all()] == ["failed"])
    assert "downloads are off" in downloads.all()[0].error
    status, deleted = ask(server, "DELETE", "/hub")
    assert (status, deleted) == (200, {"id": "hub", "deleted": True, "freed": 0})
    assert not downloads.all()


def test_a_download_of_what_is_there_ends_at_once(server: Running) -> None:
    ask(server, "POST", "/own/download")
    downloads = server.app.state.services.downloads
    wait_until(lambda: all(one.state == "done" for one in downloads.all()))
    assert ask(server, "POST", "/own/pause")[1]["state"] == "done"
    assert ask(server, "POST", "/echo/pause")[1]["state"] == "paused"
    assert ask(server, "DELETE", "/own")[0] == 200
    assert known(server, "own")["info"]["state"] == "on_disk"  # a file of the user's stays


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/load"),
        ("POST", "/unload"),
        ("POST", "/download"),
        ("POST", "/pause"),
        ("DELETE", ""),
    ],
)
def test_unknown_models(server: Running, method: str, path: str) -> None:
    status, answer = ask(server, method, f"/nobody{path}")
    assert (status, answer["error"]["code"]) == (404, "model_not_found")


def test_files_of_others_cannot_be_reached(server: Running, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("kept")
    assert ask(server, "DELETE", f"/..%2f..{kept}")[0] == 404
    assert kept.exists()
