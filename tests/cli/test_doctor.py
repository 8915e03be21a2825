"""`openedai doctor`: each check finds what is wrong, and says what to do."""

from __future__ import annotations

import io
import json
import os
import socket
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from openedai.cli.doctor import machine, report, server
from openedai.cli.doctor.finding import Finding
from openedai.config import ModelSpec, Settings
from tests.cli.program import openedai
from tests.support import ServerThread, echo_settings

CONFIG = """\
builtin_models = false
chat_model = "echo"
embedding_model = "echo"
port = 0
[[models]]
id = "echo"
engine = "echo"
"""


def test_a_machine_that_is_well(tmp_path: Path) -> None:
    (tmp_path / "openedai.toml").write_text(CONFIG)
    data = str(tmp_path / "data")
    done = openedai("doctor", "--json", folder=tmp_path, OPENEDAI_DATA=data)
    assert done.returncode == 0, done.stdout
    found = {one["about"]: one for one in json.loads(done.stdout)}
    assert {one["state"] for one in found.values()} <= {"good", "note"}
    assert "works" in found["llama.cpp"]["found"]
    assert "CPU" in found["ONNX"]["found"]
    assert found["settings"]["found"].startswith(
        "openedai.toml; set in the environment: OPENEDAI_DATA"
    )
    assert not (tmp_path / "data" / "openedai.db").exists()


def one_check(check: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "checks", lambda *_: [check])


def test_a_problem_is_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks() -> Finding:
        raise RuntimeError("unforeseen")

    one_check(breaks, monkeypatch)
    console = Console(width=100, record=True, file=io.StringIO())
    assert not report.report(echo_settings(), None, console)
    text = console.export_text()
    assert "✗ breaks" in text
    assert "RuntimeError: unforeseen" in text
    assert "1 problem." in text
    one_check(lambda: Finding("x", "note", "slow", "Do this."), monkeypatch)
    written, well = report.report_as_json(echo_settings(), None)
    assert well
    assert json.loads(written)[0]["advice"] == "Do this."


def test_ports(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = server.port(echo_settings(port=other.getsockname()[1]))
    assert taken.state == "bad"
    assert "--port" in taken.advice
    with ServerThread(echo_settings()) as running:
        ours = server.port(echo_settings(port=running.port))
    assert (ours.state, ours.found.startswith("a server is running at")) == ("good", True)
    assert server.port(echo_settings(port=0)).state == "good"
    assert "api.sock" in server.port(echo_settings(unix_socket=tmp_path / "api.sock")).found


@pytest.mark.parametrize(
    ("values", "state", "found"),
    [
        ({}, "good", "this machine only"),
        ({"host": "0.0.0.0", "api_key": "sk-0123456789"}, "good", "with a key"),
        ({"host": "0.0.0.0", "no_auth": True}, "note", "without a key"),
        ({"host": "0.0.0.0"}, "note", "no key is set"),
        ({"tunnel": "ngrok", "no_auth": True}, "note", "no key is set"),
    ],
)
def test_who_can_reach_it(values: dict[str, Any], state: str, found: str) -> None:
    finding = server.access(echo_settings(**values))
    assert finding.state == state
    assert found in finding.found


@pytest.mark.parametrize(("free", "state"), [(10**8, "bad"), (10**9, "note"), (10**11, "good")])
def test_space(free: int, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "free_space", lambda path: free)
    assert machine.folder("cache folder", tmp_path / "new").state == state


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert machine.folder("data folder", tmp_path / "file" / "data").state == "bad"


def test_databases(tmp_path: Path) -> None:
    settings = echo_settings(data=tmp_path)
    assert "is created when" in server.database(settings).found
    file = tmp_path / "openedai.db"
    file.write_text("this is not a database, but long enough to be read as one" * 20)
    assert server.database(settings).state == "bad"
    file.unlink()
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("create table migrations(name text primary key, digest text)")
        database.execute("insert into migrations values('999-of-the-future.sql', 'x')")
    finding = server.database(settings)
    assert finding.state == "bad"
    assert "newer than this server" in finding.found
    file.unlink()
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("create table other(name text)")
    assert server.database(settings).state == "good"


def test_models_that_are_not_there(tmp_path: Path) -> None:
    spec = ModelSpec(id="far", engine="llama_cpp", source="hf:owner/repo:Q4_K_M")

    def states(**values: object) -> list[Finding]:
        settings = Settings(
            _env_file=None,
            models=(spec, ModelSpec(id="echo", engine="echo")),
            chat_model="far",
            embedding_model="echo",
            builtin_models=False,
            cache_dir=tmp_path,
            **values,
        )
        return [*server.models(settings)]

    chat, embedding = states()
    assert (chat.state, embedding.state) == ("note", "good")
    assert "openedai models pull far" in chat.advice
    chat, _ = states(offline=True)
    assert chat.state == "bad"


def test_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = echo_settings(cache_dir=tmp_path)
    program = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin:/bin")
    program.write_text("#!/bin/sh\necho 'NVIDIA H100 PCIe, 81559 MiB'\n")
    program.chmod(0o755)
    finding = machine.gpu(settings)
    assert (finding.state, "NVIDIA H100 PCIe" in finding.found) == ("note", True)
    assert "openedai engines" in finding.advice
    program.write_text("#!/bin/sh\necho 'no driver'; exit 9\n")
    assert "NVIDIA" not in machine.gpu(settings).found


def test_a_native_library_that_does_not_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "why_unusable", lambda path, gpu: "undefined symbol: llama_new")
    (finding,) = machine.llama_cpp(echo_settings())
    assert finding.state == "bad"
    assert "undefined symbol" in finding.found

    def crash(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], -4, "", "")

    monkeypatch.setattr(subprocess, "run", crash)
    assert machine.onnx().state == "bad"


def test_small_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "usable_cores", lambda: 1)
    monkeypatch.setattr(machine, "usable_memory", lambda: 1 << 30)
    assert machine.cores().state == machine.memory(echo_settings()).state == "note"
