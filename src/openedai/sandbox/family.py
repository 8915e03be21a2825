"""The processes inside, as the server sees them. `pid` is the process id of bubblewrap."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from openedai.sandbox.command import DATA, Limits

if TYPE_CHECKING:
    import psutil

_MOST_ENTRIES = 20_000  # files and folders
_WRITABLE = (DATA, "/tmp", "/dev/shm")


def first_inside(pid: int) -> int:
    """The id of the first process inside, whose end ends all others; 0 if there is none."""
    import psutil

    try:
        return next((one.pid for one in psutil.Process(pid).children()), 0)
    except psutil.Error:
        return 0


def _inside(pid: int) -> list[psutil.Process]:
    """The processes inside, except the first, which only waits for the others."""
    import psutil

    try:
        found: list[psutil.Process] = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []
    return found[1:]


def stop_all(pid: int) -> None:
    """Stop all of them, and any that they start meanwhile. Blocking."""
    stopped: set[int] = set()
    while new := [one.pid for one in _inside(pid) if one.pid not in stopped]:
        for member in new:
            send_signal(member, signal.SIGSTOP)
        stopped.update(new)


def continue_all(pid: int) -> None:
    """Continue them. Blocking."""
    for member in _inside(pid):
        send_signal(member.pid, signal.SIGCONT)


def send_signal(pid: int, number: int) -> None:
    """Send a signal to a process, if it still exists."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def excess(pid: int, limits: Limits) -> str:
    """What they take too much of; empty if nothing. Blocking."""
    members = _inside(pid)
    if _memory(members, exact=False) > limits.memory and (
        _memory(members, exact=True) > limits.memory
    ):
        return f"It needed more than {limits.memory >> 20} MiB of memory: the process was ended."
    for member in members[:1]:
        with suppress(OSError):
            states = [os.statvfs(f"/proc/{member.pid}/root{path}") for path in _WRITABLE]
            if sum(one.f_files - one.f_ffree for one in states) > _MOST_ENTRIES:
                return f"It made more than {_MOST_ENTRIES} files: the process was ended."
    return ""


def _memory(members: list[psutil.Process], *, exact: bool) -> int:
    """The memory in bytes; with `exact`, shared memory counts only once."""
    import psutil

    total = 0
    for member in members:
        with suppress(psutil.Error):
            total += member.memory_full_info().pss if exact else member.memory_info().rss
    return total
