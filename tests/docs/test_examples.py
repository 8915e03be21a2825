"""The examples, as a person runs them; `tests/extras` has the one that trains."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import Running

ROOT = Path(__file__).parents[2]


def kept(server: Running) -> list[str]:
    with server.client() as client:
        found = [*client.vector_stores.list(), *client.files.list()]
        return [one.id for one in found]


@pytest.mark.real
def test_ask_your_files(real_server: Running, tmp_path: Path) -> None:
    before = kept(real_server)
    warranty = tmp_path / "kettle.md"
    warranty.write_text("# Kettle\n\nThe warranty of the kettle lasts thirty months.")
    (tmp_path / "boat.txt").write_text("The boat has two oars and a blue sail.")
    (tmp_path / "noise.bin").write_bytes(bytes(range(256)) * 8)
    program = ROOT / "examples" / "ask-your-files.py"
    files = [*map(str, sorted(tmp_path.iterdir())), "missing.txt"]
    answer = subprocess.run(
        [sys.executable, program, "How long does the warranty last?", *files],
        env={**os.environ, "OPENAI_BASE_URL": f"{real_server.url}/v1", "OPENAI_API_KEY": "k"},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert "2 of 3 files can be searched." in answer.stdout
    assert "noise.bin was not read: " in answer.stdout
    (first, *_) = answer.stdout.partition("Found in:\n")[2].splitlines()
    assert "kettle.md: # Kettle The warranty of the kettle lasts thirty months." in first
    assert kept(real_server) == before


@pytest.mark.parametrize("name", ["ask-your-files.py", "fine-tune.py"])
def test_without_a_server_they_say_what_to_do(name: str) -> None:
    answer = subprocess.run(
        [sys.executable, ROOT / "examples" / name, "smollm2-135m-instruct", __file__],
        env={**os.environ, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 1
    assert answer.stderr == (
        "No server answers at http://127.0.0.1:9/v1/: start one with `openedai serve`.\n"
    )
