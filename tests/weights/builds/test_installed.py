"""Builds of llama.cpp are pulled from a registry, found, chosen and removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from openedai.config import Settings
from openedai.errors import Unavailable
from openedai.weights.builds.installed import Builds
from openedai.weights.builds.table import Build
from tests.weights.builds.fake_build import KEPT, PLATFORM, pinned, tarball
from tests.weights.fakes.recorder import Recorder
from tests.weights.fakes.servers import Fault, FileServer

PACKED = tarball()
PATH = "/npm/@builds/cpu/-/cpu-1.0.0.tgz"

Open = Callable[..., Builds]


class Trial:
    """Records what is tried."""

    def __init__(self, answer: str = "") -> None:
        self.answer = answer
        self.tried: list[tuple[set[str], bool]] = []

    def __call__(self, folder: Path, gpu: bool) -> str:
        self.tried.append(({file.name for file in folder.iterdir()}, gpu))
        return self.answer


@pytest.fixture(name="builds")
def _builds(server: FileServer, tmp_path: Path) -> Open:
    server.add(PATH, PACKED)

    def open_builds(
        table: Mapping[str, Build] | None = None, trial: Trial | None = None, **settings: Any
    ) -> Builds:
        return Builds(
            Settings(_env_file=None, cache_dir=tmp_path, **settings),
            table=table or {"cpu": pinned(PACKED)},
            platform=PLATFORM,
            registry=f"{server.url}/npm/",
            why_unusable=trial or Trial(),
        )

    return open_builds


def left(folder: Path) -> list[str]:
    """What is on disk, but the locks."""
    return [path.name for path in folder.rglob("*") if path.parent.name != "locks"]


def test_a_build_is_pulled_once(builds: Open, server: FileServer, tmp_path: Path) -> None:
    trial, progress = Trial(), Recorder()
    opened = builds(trial=trial)
    assert (opened.find("cpu"), opened.best(), opened.default()) == (None, None, "cpu")
    folder = opened.pull("cpu", progress)
    assert {file.name for file in folder.iterdir()} == {*KEPT, ".manifest.json"}
    assert (folder / "LICENSE").read_bytes() == b"the licence"
    assert trial.tried == [(KEPT, False)]
    assert progress.step("Downloading") == (len(PACKED), len(PACKED))
    assert (builds().find("cpu"), builds().best()) == (folder, "cpu")
    builds().pull("cpu")
    assert len(server.gets(PATH)) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["downloads", "engines", "locks"]
    assert not list((tmp_path / "downloads").iterdir())


def test_another_file_is_refused(builds: Open, server: FileServer, tmp_path: Path) -> None:
    server.add(PATH, b"x" * len(PACKED))
    with pytest.raises(Unavailable, match="not the file it should be: its SHA-512 is"):
        builds().pull("cpu")
    assert not [name for name in left(tmp_path) if "." in name]
    server.add(PATH, PACKED)
    assert builds().pull("cpu").is_dir()


def test_an_interrupted_download_is_resumed(
    builds: Open, server: FileServer, tmp_path: Path
) -> None:
    class Interrupted(Recorder):
        def advance(self, n: int) -> None:
            super().advance(n)
            if self.steps[-1][0].startswith("Downloading"):
                raise KeyboardInterrupt

    server.faults[PATH] = [Fault(cut=40)]
    with pytest.raises(KeyboardInterrupt):
        builds().pull("cpu", Interrupted())
    assert builds().find("cpu") is None
    assert not list((tmp_path / "engines").iterdir())
    assert builds().pull("cpu").is_dir()
    assert [request.range for request in server.gets(PATH)] == [None, "bytes=40-"]


def test_a_build_that_does_not_work_is_not_kept(builds: Open) -> None:
    with pytest.raises(Unavailable, match=r"The build `cpu` is not available\..* it finds no GPU"):
        builds({"cpu": pinned(PACKED, gpu=True)}, Trial("it finds no GPU")).pull("cpu")
    assert builds().best() is None


@pytest.mark.parametrize("status", [403, 404])
def test_a_refusal_of_the_registry(builds: Open, server: FileServer, status: int) -> None:
    server.faults[PATH] = [Fault(status=status)]
    with pytest.raises(Unavailable, match=f"refused with status {status}"):
        builds().pull("cpu")


def test_nothing_is_downloaded_offline(builds: Open, server: FileServer) -> None:
    with pytest.raises(Unavailable, match="offline"):
        builds(offline=True).pull("cpu")
    assert not server.requests


def test_a_new_version_replaces_the_old_one(
    builds: Open, server: FileServer, tmp_path: Path
) -> None:
    builds().pull("cpu")
    packed = tarball({"package/bins/linux-x64/libllama.so": b"new"})
    server.add(PATH.replace("1.0.0", "2.0.0"), packed)
    newer = builds({"cpu": pinned(packed, version="2.0.0")})
    assert newer.find("cpu") is None
    assert (newer.pull("cpu") / "libllama.so").read_bytes() == b"new"
    assert [path.name for path in (tmp_path / "engines").iterdir()] == ["cpu"]


def test_a_build_that_lost_a_file_is_pulled_again(builds: Open) -> None:
    (builds().pull("cpu") / "libggml-base.so").unlink()
    assert builds().find("cpu") is None
    assert (builds().pull("cpu") / "libggml-base.so").exists()


def test_a_build_is_removed(builds: Open, tmp_path: Path) -> None:
    builds().pull("cpu")
    assert builds().remove("cpu") > 9000
    assert builds().find("cpu") is None
    assert not list((tmp_path / "engines").iterdir())
    assert builds().remove("cpu") == 0


def test_unknown_builds_and_those_for_other_machines(builds: Open) -> None:
    with pytest.raises(Unavailable, match=r"no build `other`.* cpu"):
        builds().pull("other")
    elsewhere = Builds(
        Settings(_env_file=None), table={"cpu": pinned(PACKED)}, platform="plan9-mips"
    )
    with pytest.raises(Unavailable, match=f"for {PLATFORM}, not plan9-mips"):
        elsewhere.pull("cpu")
    with pytest.raises(Unavailable, match=r"no build of llama\.cpp for plan9-mips"):
        elsewhere.default()


def test_the_options_of_a_model(builds: Open) -> None:
    opened = builds()
    assert opened.complete("llama_cpp", {"slots": 1}) == {"slots": 1}
    with pytest.raises(Unavailable, match="`openedai engines pull cpu`"):
        opened.complete("llama_cpp", {"library": "cpu"})
    folder = str(opened.pull("cpu"))
    assert opened.complete("llama_cpp", {"slots": 1}) == {"slots": 1, "pulled": folder}
    assert opened.complete("llama_cpp", {"library": "cpu"}) == {"library": folder}
    unchanged: tuple[dict[str, Any], ...] = (
        {"library": "wheel"},
        {"library": "/a/path"},
        {"mmproj": "m.gguf"},
        {"library": []},
    )
    for options in unchanged:
        assert opened.complete("llama_cpp", options) == options
    assert opened.complete("whisper", {}) == {}


def test_the_first_build_of_the_table_is_preferred(builds: Open) -> None:
    table = {"gpu": pinned(PACKED, gpu=True), "cpu": pinned(PACKED)}
    opened = builds(table)
    assert opened.default() == "cpu"
    opened.pull("cpu")
    assert opened.best() == "cpu"
    opened.pull("gpu")
    assert opened.best() == "gpu"
