from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from openedai.errors import Unavailable
from openedai.weights.disk import free_space, link_or_copy, readable, require_space


def test_the_free_space_of_a_folder_that_does_not_exist_yet(tmp_path: Path) -> None:
    assert free_space(tmp_path / "a" / "b") > 0
    assert list(tmp_path.iterdir()) == []


def test_too_little_space(tmp_path: Path) -> None:
    require_space(tmp_path, 100, lambda _: 100)
    with pytest.raises(Unavailable, match=r"2\.0 GB are needed in .*, 1\.5 MB are free"):
        require_space(tmp_path, 2 * 10**9, lambda _: 1_500_000)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0.0 MB"), (98_400_000, "98.4 MB"), (1_250_000_000, "1.2 GB")]
)
def test_readable_sizes(size: int, text: str) -> None:
    assert readable(size) == text


@pytest.mark.parametrize("links", [True, False])
def test_a_link_where_the_file_system_has_them_or_else_a_copy(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "other file system")

    source, target = tmp_path / "source", tmp_path / "new" / "target"
    source.write_bytes(b"weights")
    if not links:
        monkeypatch.setattr(os, "link", refuse)
    link_or_copy(source, target)
    assert target.read_bytes() == b"weights"
    assert target.samefile(source) == links
