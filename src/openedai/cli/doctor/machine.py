"""Checks of the machine: cores, memory, GPUs, disk, native libraries."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

from openedai import __version__
from openedai.cli.doctor.finding import Finding
from openedai.config import Settings, memory_bytes
from openedai.engines.llama_cpp.native.trial import why_unusable
from openedai.engines.machine import usable_cores, usable_memory
from openedai.weights.builds.installed import Builds
from openedai.weights.disk import free_space, readable

SMALL_MEMORY = 2 << 30
SMALL_DISK, NO_DISK = 4 * 10**9, 2 * 10**8
_SECONDS = 20.0


def system() -> Finding:
    python = ".".join(map(str, sys.version_info[:3]))
    where = f"{platform.system()} on {platform.machine()}"
    return Finding("version", "good", f"OpenedAI {__version__}, Python {python}, {where}")


def cores() -> Finding:
    usable, all_cores = usable_cores(), os.cpu_count() or 1
    found = f"{usable} of {all_cores}" if usable < all_cores else str(usable)
    if usable < 2:
        return Finding("cores", "note", found, "Answers are slow with one core.")
    return Finding("cores", "good", found)


def memory(settings: Settings) -> Finding:
    import psutil

    total, free = usable_memory(), psutil.virtual_memory().available
    budget = memory_bytes(settings.memory_budget, total=total)
    found = (
        f"{readable(total)}, of which {readable(min(free, total))} are free; models may take "
        f"{readable(budget)} (memory_budget)"
    )
    if min(free, total) < SMALL_MEMORY:
        return Finding("memory", "note", found, "Only small models fit: close other programs.")
    return Finding("memory", "good", found)


def gpu(settings: Settings) -> Finding:
    """Whether there is a GPU, and whether llama.cpp can use it."""
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return Finding("GPU", "good", "Apple's, which llama.cpp uses by itself")
    name = _nvidia() or _other_gpu()
    if not name:
        return Finding("GPU", "good", "none found; models compute on the processor")
    if build := gpu_build(settings):
        return Finding("GPU", "good", f"{name}; llama.cpp's build {build} uses it")
    return Finding(
        "GPU",
        "note",
        f"{name}, which is not used",
        "openedai engines list shows builds of llama.cpp for GPUs; openedai engines pull NAME "
        "downloads one.",
    )


def gpu_build(settings: Settings) -> str | None:
    """The name of a build of llama.cpp for GPUs that was pulled; None if none was."""
    builds = Builds(settings)
    for name, build in builds.table.items():
        able = build.platform == builds.platform and build.computes_on != "processors"
        if able and builds.find(name) is not None:
            return name
    return None


def nvidia_memory() -> int:
    """The memory of the largest NVIDIA GPU, in bytes; 0 if there is none."""
    amounts = [line.rpartition(",")[2].split() for line in _nvidia().split("; ")]
    return max((int(one[0]) << 20 for one in amounts if one[:1] and one[0].isdigit()), default=0)


def _nvidia() -> str:
    """The names of the NVIDIA GPUs, each with its memory in MiB; empty if there are none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [program, "--query-gpu=name,memory.total", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    names = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    return "; ".join(names) if done.returncode == 0 else ""


def _other_gpu() -> str:
    return "AMD's (/dev/kfd)" if Path("/dev/kfd").exists() else ""


def llama_cpp(settings: Settings) -> Iterator[Finding]:
    """Whether the installed builds of llama.cpp can be opened, each in its own process."""
    from xllamacpp import xllamacpp

    library = Path(xllamacpp.__file__)
    yield _native("llama.cpp", f"xllamacpp {version('xllamacpp')}", why_unusable(library, False))
    builds = Builds(settings)
    best = builds.best()
    if best is not None and (folder := builds.find(best)) is not None:
        on_gpu = builds.table[best].computes_on != "processors"
        yield _native("llama.cpp", f"build {best}, which was pulled", why_unusable(folder, on_gpu))


def _native(about: str, what: str, trouble: str) -> Finding:
    if not trouble:
        return Finding(about, "good", f"{what} works")
    if "libgomp" in trouble:
        return Finding(about, "bad", f"{what}: {trouble}", "Install libgomp: apt install libgomp1.")
    return Finding(
        about,
        "bad",
        f"{what}: {trouble}",
        "openedai engines rm NAME removes a build; pip install --force-reinstall xllamacpp repairs "
        "the package.",
    )


def onnx() -> Finding:
    """Whether ONNX Runtime works. Tested in a separate process, which a broken library could
    end.
    """
    code = "import onnxruntime; print(*onnxruntime.get_available_providers())"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=_SECONDS * 3,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Finding("ONNX", "bad", "onnxruntime did not load in time")
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it ended"])[-1]
        return Finding(
            "ONNX", "bad", f"onnxruntime: {reason}", "pip install --force-reinstall onnxruntime"
        )
    providers = ", ".join(one.removesuffix("ExecutionProvider") for one in done.stdout.split())
    return Finding("ONNX", "good", f"onnxruntime {version('onnxruntime')} ({providers})")


def extras() -> Finding:
    """Which extras are installed: those whose packages are all installed."""
    packages_of: dict[str, list[str]] = {
        name: [] for name in metadata("openedai").get_all("Provides-Extra") or []
    }
    for requirement in requires("openedai") or []:
        package, _, extra = requirement.partition('; extra == "')
        if not extra:
            package, _, extra = requirement.partition("; extra == '")
        if extra:
            packages_of.setdefault(extra.strip("\"'"), []).append(package)
    there = [name for name, packages in packages_of.items() if all(map(_installed, packages))]
    missing = [name for name in packages_of if name not in there]
    found = f"{', '.join(there) or 'none'} installed"
    if missing:
        found += f"; not installed: {', '.join(missing)} (optional)"
    return Finding("extras", "good", found)


def _installed(requirement: str) -> bool:
    name = requirement
    for mark in "[<>=!~; (":
        name = name.partition(mark)[0]
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def folder(about: str, path: Path) -> Finding:
    """Whether a folder can be written, and has space."""
    path = path.expanduser()
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
        free = free_space(path)
    except OSError as error:
        return Finding(
            about, "bad", f"{path}: {error.strerror}", "Set another folder: cache_dir, or data."
        )
    found = f"{path}, with {readable(free)} free"
    if free < NO_DISK:
        return Finding(about, "bad", found, "Make room: nothing can be downloaded or stored.")
    if free < SMALL_DISK:
        return Finding(about, "note", found, "Larger models do not fit on this disk.")
    return Finding(about, "good", found)
