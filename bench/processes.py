"""What a process and those below it take, and processes that only spin."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

_SPIN = Path(__file__).with_name("spin.py")


def resident_bytes(pid: int) -> int:
    """Of a process and all below it."""
    return sum(int(member.memory_info().rss) for member in _family(pid))


def family_cpu_seconds(pid: int) -> float:
    """Of a process and all below it, those that have ended included."""
    times = [member.cpu_times() for member in _family(pid)]
    return sum(float(t.user + t.system + t.children_user + t.children_system) for t in times)


def cpu_seconds(pid: int) -> float:
    """Of this process alone."""
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
