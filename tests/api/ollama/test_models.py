"""Ollama's calls about models: lists, loading, names."""

from __future__ import annotations

import json
import re

import pytest
from ollama import Client, ResponseError

from tests.api.ollama.client import HELLO, both, chat, generate
from tests.api.ollama.conftest import MODELS
from tests.support import Running, ServerThread, echo_settings, fetch, occupancy, wait_until


def test_models_are_loaded_and_unloaded(server: Running, ollama: Client) -> None:
    def loaded() -> set[str | None]:
        return {item.model for item in ollama.ps().models}

    answer = ollama.chat(model="sampled")
    assert (answer.done_reason, answer.message.content) == ("load", "")
    assert "sampled" in loaded()
    unloaded = ollama.generate(model="sampled", keep_alive=0)
    assert (unloaded.done_reason, unloaded.response) == ("unload", "")
    assert "sampled" not in loaded()
    again = ollama.generate(model="sampled", keep_alive="0")
    assert again.done_reason == "unload"
    assert ollama.embed(model="sampled", input=[]).embeddings == []
    assert "sampled" in loaded()
    for call in (
        lambda: chat(ollama, False, model="sampled", keep_alive=0),
        lambda: chat(ollama, True, model="sampled", keep_alive="0s"),
        lambda: ollama.embed(model="sampled", input="x", keep_alive=0),
    ):
        call()
        assert "sampled" not in loaded()
    chat(ollama, False, model="sampled", keep_alive="1h30m")
    assert "sampled" in loaded()


def test_a_model_in_use_is_not_unloaded(server: Running, ollama: Client) -> None:
    parts = ollama.chat(model="endless", messages=HELLO, stream=True)
    next(parts)
    with pytest.raises(ResponseError, match="in use") as caught:
        ollama.generate(model="endless", keep_alive=0)
    assert caught.value.status_code == 503
    assert next(parts).message.content == " two"
    parts.close()  # type: ignore[attr-defined]
    wait_until(lambda: occupancy(server, "endless")[0] == 0)
    assert ollama.generate(model="endless", keep_alive=0).done_reason == "unload"


def test_list_and_show(server: Running, ollama: Client) -> None:
    listed = {item.model: item for item in ollama.list().models}
    assert set(listed) == {spec.id for spec in MODELS}
    digests = {item.digest for item in listed.values()}
    assert len(digests) == len(MODELS)
    assert all(re.fullmatch("[0-9a-f]{64}", digest or "") for digest in digests)
    description = ollama.show("sampled")
    assert description.capabilities == ["completion", "tools", "embedding"]
    assert (description.license, description.modified_at) == (
        "Apache-2.0",
        listed["sampled"].modified_at,
    )
    assert "vision" in (ollama.show("vision").capabilities or [])
    old = fetch(f"{server.url}/api/show", "POST", json={"name": "parrot"})
    assert old.status == 200


def test_loaded_models(ollama: Client) -> None:
    ollama.chat(model="sampled")
    (item,) = [item for item in ollama.ps().models if item.model == "sampled"]
    assert (item.context_length, item.size, item.size_vram) == (100, 1 << 20, 0)
    assert item.expires_at is not None


def test_models_without_an_idle_timeout_never_expire() -> None:
    with ServerThread(echo_settings(idle_timeout=0)) as running:
        with Client(host=running.url) as client:
            client.chat(model="echo")
            (item,) = client.ps().models
        assert item.expires_at is not None
        assert item.expires_at.year == 9999


@pytest.mark.parametrize(
    ("requested", "model"),
    [
        ("echo", "echo"),
        ("echo:latest", "echo"),
        ("parrot:latest", "echo"),
        ("owner/echo:latest", "owner/echo:latest"),
        ("owner/echo", "owner/echo:latest"),
    ],
)
def test_names_with_and_without_latest(ollama: Client, requested: str, model: str) -> None:
    assert chat(ollama, False, model=requested).model == model


@both
def test_unknown_models(ollama: Client, stream: bool) -> None:
    for call in (chat, generate):
        with pytest.raises(ResponseError, match="`nobody:7b` does not exist") as caught:
            call(ollama, stream, model="nobody:7b")
        assert caught.value.status_code == 404
    with pytest.raises(ResponseError) as unknown:
        ollama.show("nobody")
    assert unknown.value.status_code == 404


@pytest.mark.parametrize("stream", [False, True])
def test_pull(ollama: Client, stream: bool) -> None:
    if stream:
        statuses = [item.status for item in ollama.pull("echo", stream=True)]
        assert statuses == ["pulling echo", "success"]
    else:
        assert ollama.pull("echo:latest").status == "success"
    with pytest.raises(ResponseError) as caught:
        list(ollama.pull("nobody", stream=True) if stream else ollama.pull("nobody"))
    assert caught.value.status_code == 404


def test_changes_of_the_catalogue_are_refused(ollama: Client) -> None:
    for call in (
        lambda: ollama.delete("echo"),
        lambda: ollama.copy("echo", "other"),
        lambda: ollama.create("other", from_="echo"),
        lambda: ollama.push("echo"),
        lambda: ollama.create_blob(__file__),
    ):
        with pytest.raises(ResponseError, match="not supported") as caught:
            call()
        assert caught.value.status_code == 400


def test_version_and_root(server: Running) -> None:
    version = json.loads(fetch(f"{server.url}/api/version").body)
    assert re.fullmatch(r"\d+\.\d+\.\d+", version["version"])
    assert fetch(f"{server.url}/").body == b"OpenedAI is running"
    head = fetch(f"{server.url}/", "HEAD")
    assert (head.status, head.body) == (200, b"")
