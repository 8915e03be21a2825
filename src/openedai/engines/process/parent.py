"""For child processes: the socket to the parent, and how the process ends."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any, NoReturn

_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux' <sys/prctl.h>
_OOM_SCORE = "500"  # of 1000


def socket_to_parent() -> socket.socket:
    """The socket whose descriptor is the first argument. From now on the process ends when the
    parent is gone and, if memory runs out, before the parent does.
    """
    end = socket.socket(fileno=int(sys.argv[1]))
    exit_with_parent(end)
    die_first()
    return end


def run_and_exit(work: Coroutine[Any, Any, None]) -> NoReturn:
    """Do the work of the process, and end it. Its threads are not waited for: they may be in native
    code, which cannot be stopped.
    """
    import asyncio  # not every child has an event loop

    try:
        asyncio.Runner().run(work)
    except Exception:
        traceback.print_exc()
    leave()


def leave() -> NoReturn:
    sys.stderr.flush()
    os._exit(0)


def exit_with_parent(connection: socket.socket) -> None:
    """End the process when the other end of `connection` closes.

    A thread waits for that. On Linux the kernel ends the process too when the parent dies, even
    while native code holds Python's lock. Ctrl-C is ignored: the parent handles it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)

    def wait() -> None:
        poll = select.poll()
        poll.register(connection.fileno(), 0)  # hang-ups are always reported
        poll.poll()
        os._exit(0)

    Thread(target=wait, name="exit-with-parent", daemon=True).start()


def die_first() -> None:
    """Where memory runs out, let Linux end this process, and not the server."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
