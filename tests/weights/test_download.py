from __future__ import annotations

from pathlib import Path

import pytest

from openedai.errors import Unavailable
from openedai.weights.download import Downloader, NotServed
from tests.weights.fakes.recorder import Recorder
from tests.weights.fakes.servers import Fault, FileServer
from tests.weights.fakes.wheels import noise, sha256

CONTENT = noise(3 << 20, seed=1)


class Pauses(list[float]):
    """Records the pauses instead of sleeping."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def fetch(
    url: str,
    target: Path,
    *,
    content: bytes = CONTENT,
    size: int | None = None,
    progress: Recorder | None = None,
    attempts: int = 5,
    pauses: Pauses | None = None,
) -> None:
    recorder = progress or Recorder()
    recorder.start("Downloading", len(content))
    downloader = Downloader(
        attempts=attempts, timeout=10.0, sleep=Pauses() if pauses is None else pauses
    )
    downloader.fetch(url, target, size or len(content), sha256(content), recorder)


def test_a_complete_file(server: FileServer, tmp_path: Path) -> None:
    progress = Recorder()
    fetch(server.add("/f", CONTENT), tmp_path / "f", progress=progress)
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert progress.step("Downloading") == (len(CONTENT), len(CONTENT))
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_file_url(tmp_path: Path) -> None:
    source = tmp_path / "a file"
    source.write_bytes(CONTENT)
    fetch(source.as_uri(), tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert source.exists()


def test_a_cut_connection_is_continued(server: FileServer, tmp_path: Path) -> None:
    server.faults["/f"] = [Fault(cut=1 << 20), Fault(cut=1000)]
    pauses, progress = Pauses(), Recorder()
    fetch(server.add("/f", CONTENT), tmp_path / "f", pauses=pauses, progress=progress)
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert [r.range for r in server.gets("/f")] == [
        None,
        f"bytes={1 << 20}-",
        f"bytes={(1 << 20) + 1000}-",
    ]
    assert pauses == [1.0, 2.0]
    assert progress.step("Downloading") == (len(CONTENT), len(CONTENT))


def test_a_part_is_continued_later(server: FileServer, tmp_path: Path) -> None:
    url = server.add("/f", CONTENT)
    server.faults["/f"] = [Fault(cut=5000)] + [Fault(cut=0)] * 2
    with pytest.raises(Unavailable, match="closed too early"):
        fetch(url, tmp_path / "f", attempts=3)
    assert not (tmp_path / "f").exists()
    progress = Recorder()
    fetch(url, tmp_path / "f", progress=progress)
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert server.gets("/f")[-1].range == "bytes=5000-"
    assert progress.step("Downloading") == (len(CONTENT), len(CONTENT))


def test_a_server_without_ranges_starts_again(server: FileServer, tmp_path: Path) -> None:
    server.ranges = False
    server.faults["/f"] = [Fault(cut=5000)]
    progress = Recorder()
    fetch(server.add("/f", CONTENT), tmp_path / "f", progress=progress)
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert progress.step("Downloading") == (len(CONTENT), len(CONTENT))


def test_a_busy_server_is_tried_again(server: FileServer, tmp_path: Path) -> None:
    server.faults["/f"] = [Fault(status=503), Fault(status=429)]
    fetch(server.add("/f", CONTENT), tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_too_many_failures(server: FileServer, tmp_path: Path) -> None:
    server.faults["/f"] = [Fault(status=503)] * 9
    with pytest.raises(NotServed, match="answered 503"):
        fetch(server.add("/f", CONTENT), tmp_path / "f", attempts=3)
    assert len(server.gets("/f")) == 3


def test_attempts_with_progress_are_not_failures(server: FileServer, tmp_path: Path) -> None:
    server.faults["/f"] = [Fault(cut=1 << 20)] * 2
    fetch(server.add("/f", CONTENT), tmp_path / "f", attempts=2)
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_refusal_is_not_tried_again(server: FileServer, tmp_path: Path) -> None:
    server.faults["/f"] = [Fault(status=403)]
    with pytest.raises(NotServed, match="refused with status 403"):
        fetch(server.add("/f", CONTENT), tmp_path / "f")
    assert len(server.gets("/f")) == 1


def test_no_server(tmp_path: Path) -> None:
    with FileServer() as server:
        url = server.add("/f", CONTENT)
    with pytest.raises(NotServed):
        fetch(url, tmp_path / "f")


def test_a_wrong_hash_is_deleted(server: FileServer, tmp_path: Path) -> None:
    url = server.add("/f", noise(len(CONTENT), seed=2))
    with pytest.raises(Unavailable, match=f"instead of {sha256(CONTENT)}"):
        fetch(url, tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("length", [len(CONTENT) - 1, len(CONTENT) + 1])
def test_a_wrong_length_is_deleted(server: FileServer, tmp_path: Path, length: int) -> None:
    url = server.add("/f", (CONTENT + b"x")[:length])
    with pytest.raises(Unavailable, match=f"it has not {len(CONTENT)} bytes"):
        fetch(url, tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_shrank_is_deleted(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "f.part").write_bytes(CONTENT[:5000])
    url = server.add("/f", CONTENT[:5000])
    with pytest.raises(Unavailable, match="not the file it should be"):
        fetch(url, tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_is_too_long_is_deleted(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "f.part").write_bytes(CONTENT + b"x")
    fetch(server.add("/f", CONTENT), tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_secrets_in_addresses_are_not_shown(tmp_path: Path) -> None:
    with FileServer() as server:
        url = server.url.replace("//", "//user:secret@") + "/f?token=secret"
    with pytest.raises(NotServed) as caught:
        fetch(url, tmp_path / "f", attempts=1)
    assert "secret" not in caught.value.message
    assert "/f" in caught.value.message
