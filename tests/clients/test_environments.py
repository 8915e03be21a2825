"""Environments are made once, made anew for other pins, and never kept unless they are whole."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.clients.environments import environment, versions

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]


def test_made_once_for_the_same_pins(tmp_path: Path) -> None:
    pins = tmp_path / "client/requirements.txt"
    pins.parent.mkdir()
    pins.write_text("# nothing")
    first = environment(pins, kept=tmp_path)
    (first / "mark").touch()
    assert environment(pins, kept=tmp_path) == first
    assert (first / "mark").exists()
    pins.write_text("# nothing else")
    second = environment(pins, kept=tmp_path)
    assert second != first
    assert (second / "bin/python").exists()
    assert not first.exists()


def test_a_failed_install_is_told_and_tried_again(tmp_path: Path) -> None:
    pins = tmp_path / "client/requirements.txt"
    pins.parent.mkdir()
    pins.write_text("./there-is-no-such-thing")
    for _ in range(2):
        with pytest.raises(subprocess.CalledProcessError):
            environment(pins, kept=tmp_path)
        assert not list(tmp_path.rglob(".installed"))


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("requirements.txt", "a-b[c]==1.2\nnumpy\n", {"a-b": "1.2"}),
        ("package.json", '{"dependencies": {"@a/b": "1.2.3"}}', {"@a/b": "1.2.3"}),
        ("package.json", '{"dependencies": {"b-1": "npm:@a/b@1.2.3"}}', {"b-1": "1.2.3"}),
    ],
)
def test_pins_are_read(file: str, text: str, expected: dict[str, str], tmp_path: Path) -> None:
    pins = tmp_path / file
    pins.write_text(text)
    assert versions(pins) == expected
