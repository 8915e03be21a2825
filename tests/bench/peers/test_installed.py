"""Installation in environments of their own: one has pip, the others only a tiny package."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.peers.installed import Environments
from bench.peers.table import Peer

TINY = (
    "cd lib/python*/site-packages && mkdir tiny-1.0.dist-info && "
    "printf 'Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n' > tiny-1.0.dist-info/METADATA"
)


@pytest.fixture
def environments(tmp_path: Path) -> Environments:
    """They are made without pip, which takes seconds."""
    return Environments(tmp_path / "peers", options="--without-pip")


def peer(*install: str, environment: str = "", package: str = "tiny") -> Peer:
    return Peer(
        name="one" if not environment else "two",
        package=package,
        start="one",
        weights="served",
        install=install,
        environment=environment,
    )


def test_lines_run_in_the_environment_and_once(tmp_path: Path) -> None:
    environments = Environments(tmp_path / "peers")
    where = 'command -v python > where && echo "$VIRTUAL_ENV" >> where'
    one = peer(where, "echo ran >> times", package="pip")
    environments.install(one)
    environments.install(one)
    folder = environments.folder / "one"
    assert re.fullmatch(r"\d+(\.\d+)+", environments.version(one) or "")
    assert (folder / "where").read_text().split() == [str(folder / "bin/python"), str(folder)]
    assert (folder / "times").read_text() == "ran\n"


def test_the_last_words_of_a_failure_are_kept(environments: Environments) -> None:
    one = peer("echo 'No matching distribution' >&2; exit 1", "echo 'Not reached'")
    environments.install(one)
    assert environments.version(one) is None
    assert environments.missing_reason(one) == "not installed: No matching distribution"


def test_a_failure_is_tried_again(environments: Environments) -> None:
    again = peer("test -e begun || { touch begun; exit 1; }", TINY)
    environments.install(again)
    assert environments.version(again) is None
    environments.install(again)
    assert environments.version(again) is not None


def test_a_package_that_did_not_come_is_a_failure(environments: Environments) -> None:
    absent = Peer(name="one", package="no-such-package", start="one", weights="served")
    environments.install(absent)
    assert environments.version(absent) is None
    assert "no-such-package" in environments.missing_reason(absent)


def test_an_environment_is_shared(environments: Environments) -> None:
    one, two = peer(TINY), peer(environment="one")
    environments.install(two)
    assert environments.version(two) is None
    environments.install(one)
    assert environments.path(two) == environments.path(one)
    assert environments.version(two) == environments.version(one)


def test_what_was_never_installed_says_how(environments: Environments) -> None:
    assert environments.version(peer()) is None
    assert "--install" in environments.missing_reason(peer())
