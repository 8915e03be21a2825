"""What a process and its children use, and processes that only keep a core busy."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

_SPIN = Path(__file__).with_name("spin.py")


def resident_bytes(pid: int) -> int:
    """The resident memory of a process and all below it, in bytes."""
    return sum(int(member.memory_info().rss) for member in _family(pid))


def family_cpu_seconds(pid: int) -> float:
    """The processor seconds of a process and all below it, including those that have ended."""
    times = [member.cpu_times() for member in _family(pid)]
    return sum(float(t.user + t.system + t.children_user + t.children_system) for t in times)


def cpu_seconds(pid: int) -> float:
    """The processor seconds of a process alone."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


@contextmanager
def spinning(count: int) -> Iterator[None]:
    """Run this many processes that do nothing but keep a core busy; they end with this one."""
    running = [
        subprocess.Popen([sys.executable, str(_SPIN)], stdin=subprocess.DEVNULL)
        for _ in range(count)
    ]
    try:
        yield
    finally:
        for one in running:
            one.kill()
        for one in running:
            one.wait()


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]
