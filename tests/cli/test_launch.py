"""`openedai launch`, with doubles of the clients that write what they received."""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from openedai.cli.commands import app
from openedai.cli.launching.programs import PROGRAMS, Server, text_of
from tests.cli.program import openedai
from tests.support import Running, ServerThread, echo_settings

DOUBLE = f"""#!{sys.executable}
import json, os, sys
print(json.dumps({{"arguments": sys.argv[1:], "environment": dict(os.environ)}}))
raise SystemExit(7)
"""
KEY = "sk-launch"


@pytest.fixture(scope="module")
def keyed_server() -> Iterator[Running]:
    with ServerThread(echo_settings(api_key=KEY)) as running:
        yield running


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a double of each client."""
    folder = tmp_path_factory.mktemp("programs")
    for program in PROGRAMS.values():
        (folder / program.command).write_text(DOUBLE)
        (folder / program.command).chmod(0o755)
    return folder


class Launched(Exception):
    """In place of the program that would have taken the place of this process."""

    def __init__(self, path: str, command: list[str], environment: dict[str, str]) -> None:
        self.received: dict[str, Any] = {"arguments": command[1:], "environment": environment}


def launch(
    *arguments: str, server: str, folder: Path, path: Path | None = None, key: str = KEY
) -> Result:
    """In this process, with the server in the environment, and with programs of `path`."""
    environment = {
        "PATH": os.pathsep.join([*([str(path)] if path else []), "/usr/bin", "/bin"]),
        "OPENAI_BASE_URL": f"{server}/v1",
        "OPENAI_API_KEY": key,
        "OPENEDAI_DATA": str(folder / "data"),
        "COLUMNS": "200",
    }

    def execve(*given: Any) -> None:
        raise Launched(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "execve", execve)
        return CliRunner().invoke(app, ["launch", *arguments], env=environment)


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_client_is_told_of_the_server(
    name: str, keyed_server: Running, programs: Path, tmp_path: Path
) -> None:
    done = launch(
        *(name, "--model", "echo", "word", "--", "--option"),
        server=keyed_server.url,
        folder=tmp_path,
        path=programs,
    )
    assert isinstance(done.exception, Launched), done.output
    received: dict[str, Any] = done.exception.received
    assert received["arguments"][-2:] == ["word", "--option"]
    files = {file.name: file for file in (tmp_path / "data").rglob("*") if file.is_file()}
    assert set(files) == set(PROGRAMS[name].files)
    for file in files.values():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        texts = [*received["arguments"], *received["environment"].values()]
        assert str(file.parent) in " ".join(texts)
    contents = [json.loads(file.read_text()) for file in files.values()]
    text = json.dumps([received["arguments"], received["environment"], contents])
    assert keyed_server.url in text.replace(f'"OPENAI_BASE_URL": "{keyed_server.url}/v1"', "")
    assert KEY in text
    assert "echo" in text
    assert not re.search(r"\{(url|key|model|folder)\}", text)
    assert ("context" in done.stderr) == PROGRAMS[name].agent


def test_the_program_takes_the_place_of_the_command(
    keyed_server: Running, programs: Path, tmp_path: Path
) -> None:
    done = openedai(
        *("launch", "llm", "--url", keyed_server.url, "--", "--version"),
        folder=tmp_path,
        PATH=f"{programs}:/usr/bin:/bin",
        OPENAI_API_KEY=KEY,
        OPENEDAI_DATA=str(tmp_path / "data"),
    )
    assert done.returncode == 7
    assert json.loads(done.stdout)["arguments"] == ["--version"]


def test_the_lines_for_a_shell(keyed_server: Running, tmp_path: Path) -> None:
    done = launch("--print", server=keyed_server.url, folder=tmp_path)
    lines = dict(
        shlex.split(line.removeprefix("export "))[0].split("=", 1)
        for line in done.stdout.splitlines()
    )
    assert lines["OPENAI_BASE_URL"] == f"{keyed_server.url}/v1"
    assert lines["ANTHROPIC_BASE_URL"] == lines["OLLAMA_HOST"] == keyed_server.url
    assert lines["OPENAI_API_KEY"] == KEY
    assert lines["OPENAI_MODEL"] == "echo"
    done = launch("shell-gpt", "--print", server=keyed_server.url, folder=tmp_path)
    assert f"export OPENAI_API_HOST={keyed_server.url}\n" in done.stdout
    done = launch("codex", "--print", server=keyed_server.url, folder=tmp_path)
    command = shlex.split(done.stdout.splitlines()[-1])
    assert command[0] == "codex"
    assert f'model_providers.openedai.base_url="{keyed_server.url}/v1"' in command


def test_without_a_name_it_lists_the_clients(
    keyed_server: Running, programs: Path, tmp_path: Path
) -> None:
    (only := tmp_path / "bin").mkdir()
    (only / "llm").symlink_to(programs / "llm")
    done = launch(server=keyed_server.url, folder=tmp_path, path=only)
    for name, program in PROGRAMS.items():
        (line,) = (one for one in done.stdout.splitlines() if one.split()[:1] == [name])
        installed = name == "llm"
        assert line.split()[1] == ("yes" if installed else "no")
        assert (program.install in line) != installed


FAULTS = {
    "no such client": (("nope",), "unknown client 'nope'"),
    "not installed": (("codex",), "codex is not installed: npm install -g @openai/codex"),
    "no such model": (("llm", "-m", "nope"), "has no model 'nope'; it has echo"),
    "no key": (("llm",), "needs a key: set OPENAI_API_KEY"),
    "wrong key": (("llm",), "does not accept the key 'sk-wrong': set OPENAI_API_KEY"),
    "no server": (
        ("llm", "--url", "http://127.0.0.1:1"),
        "(Connection refused): start one with `openedai serve`",
    ),
    "no address": (("llm", "--url", "file:///etc"), "is not an http or https URL"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults(fault: str, keyed_server: Running, tmp_path: Path) -> None:
    arguments, message = FAULTS[fault]
    key = {"no key": "", "wrong key": "sk-wrong"}.get(fault, KEY)
    done = launch(*arguments, server=keyed_server.url, folder=tmp_path, key=key)
    assert done.exit_code in (1, 2)
    assert message in done.stderr
    assert isinstance(done.exception, SystemExit)
    assert not (tmp_path / "data").exists()


def test_files_that_cannot_be_written(
    keyed_server: Running, programs: Path, tmp_path: Path
) -> None:
    (tmp_path / "data").write_text("a file")
    done = launch("llm", server=keyed_server.url, folder=tmp_path, path=programs)
    assert done.exit_code == 1
    assert "cannot write" in done.stderr


def test_what_a_model_is_called_cannot_leave_its_place() -> None:
    name = 'a"}, {"x": "{key}'
    filled = PROGRAMS["opencode"].filled(Server("http://127.0.0.1:1", "k", name), "/f")
    content: Any = json.loads(text_of(filled.files["opencode.json"]))
    assert list(content["provider"]["openedai"]["models"]) == [name]
