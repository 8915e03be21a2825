"""`openedai models list` and `models show`, for people and for programs."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from openedai.cli.model_info import loaded_models
from tests.cli.program import openedai
from tests.gguf import tiny_gguf
from tests.support import Running

CONFIG = """
port = {port}
builtin_models = false
chat_model = "tiny"
embedding_model = "echo"
[[models]]
id = "echo"
engine = "echo"
aliases = ["parrot"]
[[models]]
id = "tiny"
engine = "llama_cpp"
source = "./tiny.gguf"
license = "MIT (the tests)"
[[models.adapters]]
name = "legal"
source = "hf:owner/legal-lora-GGUF"
[[models]]
id = "gone"
engine = "llama_cpp"
source = "./gone.gguf"
[[models]]
id = "packaged"
engine = "onnx_embeddings"
source = "pypi:all-MiniLM-L6-v2"
[[models]]
id = "cloud"
engine = "upstream"
prefix = "cloud/"
options = {{ url = "http://a", key = "sk-secret" }}
"""
KEYS = {
    "id",
    "engine",
    "capabilities",
    "state",
    "size_on_disk",
    "download_size",
    "license",
    "source",
    "aliases",
    "prefix",
    "base_model",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_config(tmp_path, port=0)
    tiny_gguf.write(tmp_path / "tiny.gguf")
    return tmp_path


def write_config(folder: Path, port: int) -> None:
    (folder / "openedai.toml").write_text(CONFIG.format(port=port))


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def listed(folder: Path) -> dict[str, Any]:
    done = openedai("models", "list", "--json", folder=folder, OPENEDAI_CACHE_DIR=str(folder))
    assert done.returncode == 0
    return {model["id"]: model for model in json.loads(done.stdout)}


def shown(folder: Path, name: str) -> Any:
    return json.loads(openedai("models", "show", name, "--json", folder=folder).stdout)


def test_the_table(folder: Path) -> None:
    done = openedai("models", "list", folder=folder, OPENEDAI_CACHE_DIR=str(folder))
    everything = ["chat,", "embedding,", "rerank,", "transcription,", "speech,", "image,"]
    everything += ["moderation,", "image_moderation"]
    assert rows(done.stdout) == [
        ["MODEL", "KIND", "SIZE", "STATE", "LICENCE"],
        ["echo", *everything, "-", "no", "weights"],
        ["tiny", "chat", "0", "MB", "on", "disk", "MIT"],
        ["tiny:legal", "chat", "-", "not", "downloaded"],
        ["gone", "chat", "-", "missing"],
        ["packaged", "embedding", "84", "MB", "not", "downloaded", "Apache-2.0"],
        ["cloud/…", *everything, "-", "no", "weights"],
    ]
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_the_table_fits_the_terminal(tmp_path: Path, columns: int) -> None:
    done = openedai("models", "list", folder=tmp_path, COLUMNS=str(columns))
    assert max(map(len, done.stdout.splitlines())) <= columns
    lines = done.stdout.splitlines()
    assert ["qwen2.5-coder-1.5b-instruct", "chat"] in [line.split()[:2] for line in lines]
    assert ("LICENCE" in lines[0]) == (columns > 60)


def test_lines_in_a_pipe_are_whole(folder: Path) -> None:
    """COLUMNS is empty where no terminal is known."""
    long = "a-model-with-a-long-name-" * 10
    with (folder / "openedai.toml").open("a") as file:
        file.write(f'[[models]]\nid = "{long}"\nengine = "echo"\n')
    done = openedai("models", "list", folder=folder, COLUMNS="")
    assert rows(done.stdout)[-1][0] == long


def test_show(folder: Path) -> None:
    done = openedai("models", "show", "parrot", folder=folder)
    assert rows(done.stdout)[:5] == [
        ["id", "echo"],
        [
            *("kind", "chat,", "embedding,", "rerank,"),
            *("transcription,", "speech,", "image,", "moderation,", "image_moderation"),
        ],
        ["engine", "echo"],
        ["source", "none"],
        ["licence", "not", "stated"],
    ]
    assert "aliases   parrot, " in done.stdout


def test_aliases_are_wrapped_between_words(folder: Path) -> None:
    done = openedai("models", "show", "gpt-4o", folder=folder, COLUMNS="60")
    aliases = done.stdout.partition("aliases   ")[2].partition("\nadapters")[0]
    lines = aliases.split("\n")
    assert max(map(len, lines)) <= 60
    assert all(line.startswith(" " * 10) for line in lines[1:])
    names = aliases.replace("\n", " ").split(", ")
    assert {"gpt-4o", "gpt-3.5-turbo"} <= {name.strip() for name in names}


def test_the_list_as_json(folder: Path) -> None:
    models = listed(folder)
    assert list(models) == ["echo", "tiny", "tiny:legal", "gone", "packaged", "cloud"]
    assert all(set(model) == KEYS for model in models.values())
    kinds = ["chat", "embedding", "rerank", "transcription", "speech", "image", "moderation"]
    kinds += ["image_moderation"]
    assert models["echo"]["capabilities"] == kinds
    assert "parrot" in models["echo"]["aliases"]
    size = (folder / "tiny.gguf").stat().st_size
    assert (models["tiny"]["size_on_disk"], models["tiny"]["license"]) == (size, "MIT (the tests)")
    assert (models["tiny:legal"]["base_model"], models["tiny:legal"]["download_size"]) == (
        "tiny",
        None,
    )
    assert models["packaged"]["download_size"] == 83_506_384
    assert (models["cloud"]["prefix"], models["cloud"]["source"]) == ("cloud/", None)
    assert {id: model["state"] for id, model in models.items()} == {
        "echo": "no_weights",
        "tiny": "on_disk",
        "tiny:legal": "not_downloaded",
        "gone": "missing",
        "packaged": "not_downloaded",
        "cloud": "no_weights",
    }


def test_one_model_as_json(folder: Path) -> None:
    tiny = shown(folder, "gpt-4o")
    assert set(tiny) == KEYS | {"adapters", "options", "requantise", "slow_share", "path"}
    assert (tiny["id"], tiny["path"], tiny["adapters"]) == ("tiny", "tiny.gguf", ["legal"])
    assert shown(folder, "tiny:legal")["base_model"] == "tiny"
    for name in ("cloud", "cloud/any"):
        cloud = shown(folder, name)
        assert (cloud["id"], cloud["options"]) == ("cloud", {"url": "http://a", "key": "…"})


def test_loaded_models_are_those_of_the_running_server(folder: Path, echo_server: Running) -> None:
    with echo_server.client() as client:
        client.embeddings.create(model="echo", input="a")
    write_config(folder, echo_server.port)
    assert listed(folder)["echo"]["state"] == "loaded"
    assert loaded_models("0.0.0.0", echo_server.port) >= {"echo"}


@contextmanager
def service(*answers: bytes) -> Iterator[int]:
    """Something else on a port: it sends `answers` to the first connection, and leaves it open."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                for answer in answers:
                    connection.sendall(answer)
                while connection.recv(1 << 16):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]",
        b'HTTP/1.1 200 OK\r\ncontent-length: 19\r\n\r\n{"loaded_models":3}',
        b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{",
    ],
)
def test_another_service_at_the_address_is_ignored(answer: bytes) -> None:
    with service(answer) as port:
        assert loaded_models("127.0.0.1", port) == frozenset()


def test_an_address_where_nothing_listens() -> None:
    assert loaded_models("127.0.0.1", 0) == frozenset()
