"""The `openedai` command as people type it."""

from __future__ import annotations

from pathlib import Path

import pytest

from openedai.engines.machine import processor_features
from openedai.gguf.kernels import fast_types
from tests.cli.program import openedai
from tests.gguf import tiny_gguf
from tests.support import Running, ServerThread, echo_settings

CONFIG = """
builtin_models = false
chat_model = "echo"
embedding_model = "echo"
[[models]]
id = "echo"
engine = "echo"
aliases = ["parrot"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "openedai.toml").write_text(CONFIG)
    return tmp_path


def test_help_has_examples(folder: Path) -> None:
    assert "serve" in openedai("--help", folder=folder).stdout
    assert "Examples" in openedai("serve", "--help", folder=folder).stdout


def test_version(folder: Path) -> None:
    assert openedai("--version", folder=folder).stdout.startswith("openedai ")


def test_models_show_tells_no_keys(tmp_path: Path) -> None:
    options = 'url = "http://a", key = "sk-secret", headers = { x = "sk-secret" }'
    model = f'[[models]]\nid = "far"\nengine = "upstream"\noptions = {{ {options} }}\n'
    (tmp_path / "openedai.toml").write_text(f"builtin_models = false\n{model}")
    shown = openedai("models", "show", "far", folder=tmp_path)
    assert "url=http://a, key=…" in shown.stdout
    assert "sk-secret" not in shown.stdout + shown.stderr


def test_slow_weights_are_shown(folder: Path) -> None:
    file = tiny_gguf.write(folder / "tiny.gguf")
    slow = openedai("models", "show", "tiny", folder=folder, OPENEDAI_CHAT_MODEL=str(file))
    fast = fast_types(processor_features())
    hint = "; 89% of the weights are slow here, see `requantise`" if fast else ""
    assert f"format    none{hint}\n" in slow.stdout


def test_unknown_model(folder: Path) -> None:
    for command in ("show", "pull", "rm"):
        answer = openedai("models", command, "nope", folder=folder)
        assert answer.returncode == 1
        assert "`nope` does not exist" in answer.stderr
        assert "openedai models list shows the names" in answer.stderr
        assert "Traceback" not in answer.stderr


def test_a_bad_configuration(folder: Path) -> None:
    (folder / "openedai.toml").write_text("prot = 1")
    for command in (["serve"], ["models", "list"]):
        answer = openedai(*command, folder=folder)
        assert answer.returncode == 2
        assert "unknown setting `prot`" in answer.stderr
        assert "Traceback" not in answer.stderr


def test_an_open_server_without_keys_is_refused(folder: Path) -> None:
    answer = openedai("serve", "--host", "0.0.0.0", "--no-pull", folder=folder)
    assert answer.returncode == 2
    assert "no API key is set" in answer.stderr


def test_preloading_what_is_not_there(folder: Path) -> None:
    answer = openedai("serve", "--port", "0", "--preload", "nope", folder=folder)
    assert answer.returncode == 2
    assert "preload: The model `nope` does not exist" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_preloading_what_cannot_be_loaded(folder: Path) -> None:
    with (folder / "openedai.toml").open("a") as file:
        file.write('options = { load_error = "It is broken." }')
    answer = openedai("serve", "--port", "0", "--preload", "all", folder=folder)
    assert answer.returncode == 1
    assert "It is broken." in answer.stderr
    assert "Traceback" not in answer.stderr
    assert "ready at" not in answer.stderr


def test_a_taken_port(folder: Path, echo_server: Running) -> None:
    answer = openedai("serve", "--port", str(echo_server.port), "--no-pull", folder=folder)
    assert answer.returncode == 1
    assert "Cannot listen" in answer.stderr


def test_chat_one_question(folder: Path, echo_server: Running) -> None:
    url = f"{echo_server.url}/v1"
    answer = openedai("chat", "--url", url, "hello there", folder=folder)
    assert (answer.returncode, answer.stdout) == (0, "hello there\n")
    answer = openedai("chat", "-m", "nope", "x", folder=folder, OPENAI_BASE_URL=url)
    assert answer.returncode == 1
    assert "does not exist" in answer.stderr


def test_chat_conversation(folder: Path, echo_server: Running) -> None:
    answer = openedai(
        "chat",
        "--url",
        f"{echo_server.url}/v1",
        "--model",
        "reveal",
        "--system",
        "be kind",
        folder=folder,
        text="first\n\nsecond\n/clear\nthird\n/help\n/exit\n",
    )
    assert answer.returncode == 0
    assert "There is no command /help: /clear forgets" in answer.stdout
    first, second, third = (line for line in answer.stdout.splitlines() if '"prompt"' in line)
    assert first.count('"role":"user"') == 1
    assert second.count('"role":"user"') == 2
    assert third.count('"role":"user"') == 1
    assert all("be kind" in line for line in (first, second, third))


def test_chat_without_a_server(folder: Path) -> None:
    answer = openedai("chat", "--url", "http://127.0.0.1:9/v1", "x", folder=folder)
    assert answer.returncode == 1
    assert "127.0.0.1:9/v1 (Connection refused): start one with `openedai serve`" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_chat_without_an_accepted_key(folder: Path) -> None:
    with ServerThread(echo_settings(api_key="sk-right")) as server:
        url = f"{server.url}/v1"
        without = openedai("chat", "--url", url, "x", folder=folder, OPENAI_API_KEY="")
        assert "needs a key: set OPENAI_API_KEY" in without.stderr
        wrong = openedai("chat", "--url", url, "x", folder=folder, OPENAI_API_KEY="sk-wrong-key")
        assert "does not accept the key sk-…-key: set OPENAI_API_KEY" in wrong.stderr


def test_chat_prints_errors_whole(folder: Path, echo_server: Running) -> None:
    url = f"{echo_server.url}/v1"
    answer = openedai("chat", "--url", url, "-m", "[bold]a[/x]", folder=folder, text="hi\n")
    assert answer.returncode == 0
    assert "The model `[bold]a[/x]` does not exist" in answer.stdout
