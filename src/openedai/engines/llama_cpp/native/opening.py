"""Finding and opening builds of llama.cpp: the pinned package's, or another one."""

from __future__ import annotations

import ctypes
import re
from ctypes import c_char_p
from importlib.util import find_spec
from pathlib import Path

from openedai.errors import EngineFailed

PACKAGE = "xllamacpp"
VERSION = "2026.10.11549"

# The parts of a build in a folder, each of which needs the previous ones. Their names may contain
# the interface of a GPU and a version, as in `libggml.vulkan.v0.4.0.so`.
_PARTS = [
    re.compile(rf"(lib)?{name}(\.\w+)*\.(so|dylib|dll)(\.\d+)*")
    for name in ("ggml-base", "ggml", "llama")
]


def open_package() -> ctypes.CDLL:
    """The library of the installed package, which is not imported. Raises EngineFailed."""
    return _open(_package_path())


def open_build(path: Path) -> ctypes.CDLL:
    """A shared object with all of llama.cpp, or a folder with its parts. Raises EngineFailed."""
    if not path.is_dir():
        return _open(path)
    *_, library = [_open(part) for part in _parts(path)]
    return library


def load_kernels(path: Path) -> None:
    """Choose the kernels for this processor and its GPU, if they are separate parts of an opened
    build.

    Raises EngineFailed.
    """
    if not path.is_dir():
        return
    *_, registry, _ = [_open(part) for part in _parts(path)]
    try:
        load = registry.ggml_backend_load_all_from_path
    except AttributeError:
        raise EngineFailed(f"The llama.cpp in {path} cannot load its kernels.") from None
    load.restype, load.argtypes = None, [c_char_p]
    load(bytes(path))


def version_of(library: ctypes.CDLL) -> str:
    """The version that llama.cpp reports, such as `0.6.0-dev`; empty if it reports none."""
    try:
        function = library.llama_version
    except AttributeError:
        return ""
    function.restype, function.argtypes = c_char_p, []
    found: bytes = function()
    return found.decode("utf-8", "replace")


def _open(path: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise EngineFailed(f"The library {path} cannot be opened: {error}.") from None


def _parts(folder: Path) -> list[Path]:
    try:
        names = sorted(file.name for file in folder.iterdir())
        return [next(folder / name for name in names if part.fullmatch(name)) for part in _PARTS]
    except (OSError, StopIteration):
        raise EngineFailed(f"There is no build of llama.cpp in {folder}.") from None


def _package_path() -> Path:
    spec = find_spec(PACKAGE)
    for folder in map(Path, (spec and spec.submodule_search_locations) or []):
        if not (folder.parent / f"{PACKAGE}-{VERSION}.dist-info").is_dir():
            raise EngineFailed(f"{PACKAGE} {VERSION} is needed, but another version is installed.")
        for file in folder.glob(f"{PACKAGE}*.so"):
            return file
        raise EngineFailed(f"The package {PACKAGE} has no library for this system.")
    raise EngineFailed(f"The package {PACKAGE} is not installed.")
