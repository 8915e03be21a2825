"""Wheels for tests, packages that pin them, and an index that has them."""

from __future__ import annotations

import hashlib
import io
import random
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from openedai.weights.manifest import File
from openedai.weights.packages import Package, Wheel
from tests.weights.fakes.servers import FileServer

VERSION = "1.0"


def noise(size: int, seed: int) -> bytes:
    """Random bytes, which do not compress, like weights."""
    return random.Random(seed).randbytes(size)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def zip_of(members: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def wheel_of(name: str, members: Mapping[str, bytes]) -> bytes:
    """A wheel that pip accepts."""
    info = f"{name.replace('-', '_')}-{VERSION}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {VERSION}\n"
    return zip_of(
        {
            **members,
            f"{info}/METADATA": metadata.encode(),
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/RECORD": b"",
        }
    )


def file_name(name: str) -> str:
    return f"{name.replace('-', '_')}-{VERSION}-py3-none-any.whl"


def package_of(
    wheels: Mapping[str, bytes],
    files: Mapping[str, bytes],
    layout: Literal["members", "joined", "joined-zip"] = "members",
    *,
    root: str = "",
    part: str = "",
    parts: Mapping[str, tuple[str, ...]] | None = None,
) -> Package:
    """Pins for these wheels, by package name, and for the files in them."""
    return Package(
        license="MIT",
        layout=layout,
        wheels=tuple(
            Wheel(name, VERSION, len(content), sha256(content), part)
            for name, content in wheels.items()
        ),
        files=tuple(File(name, len(content), sha256(content)) for name, content in files.items()),
        root=root,
        parts=dict(parts or {}),
    )


@dataclass
class FakeIndex:
    """`links` are addresses by requirement; `fetchable` are wheels that its client can fetch.

    `requirements` records those that were resolved.
    """

    links: dict[str, str]
    fetchable: dict[str, bytes] = field(default_factory=dict)
    requirements: list[str] = field(default_factory=list)

    def resolve(self, requirements: Sequence[str]) -> dict[str, str]:
        self.requirements.extend(requirements)
        return {requirement: self.links[requirement] for requirement in requirements}

    def fetch(self, requirement: str, folder: Path) -> Path:
        path = folder / file_name(requirement.partition("==")[0])
        path.write_bytes(self.fetchable[requirement])
        return path


def serve(server: FileServer, wheels: Mapping[str, bytes]) -> FakeIndex:
    """An index with links to these wheels, which the server serves."""
    return FakeIndex(
        {
            f"{name}=={VERSION}": server.add(f"/{file_name(name)}", content)
            for name, content in wheels.items()
        }
    )
