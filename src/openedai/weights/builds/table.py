"""The pinned npm packages with builds of llama.cpp."""

from __future__ import annotations

import base64
import platform
import sys
import tomllib
from collections.abc import Mapping
from importlib import resources

import msgspec

_HASH = "sha512-"


class Build(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One package.

    `size` is that of its tarball, and `unpacked` that of the files kept from it, in bytes.
    `integrity` is the tarball's hash, as in the registry's metadata. A build with `gpu` is useless
    without a GPU.
    """

    platform: str
    computes_on: str
    gpu: bool
    package: str
    version: str
    license: str
    size: int
    integrity: str
    unpacked: int

    @property
    def source(self) -> str:
        return f"npm:{self.package}@{self.version}"

    @property
    def sha512(self) -> str:
        """The tarball's hash, in hexadecimal."""
        return base64.b64decode(self.integrity.removeprefix(_HASH)).hex()

    def url(self, registry: str) -> str:
        """The tarball's address in an npm registry."""
        name = self.package.rpartition("/")[2]
        return f"{registry.rstrip('/')}/{self.package}/-/{name}-{self.version}.tgz"


def builtin_builds() -> Mapping[str, Build]:
    """The builds that can be pulled, by name."""
    text = resources.files("openedai.weights.builds").joinpath("builds.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), type=dict[str, Build])


def this_platform() -> str:
    return f"{sys.platform}-{platform.machine()}"
