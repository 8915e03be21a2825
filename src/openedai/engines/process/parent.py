"""In a child process: end when the parent is gone."""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Callable
from threading import Thread


def exit_with_parent(connection: socket.socket, cleanup: Callable[[], None] = lambda: None) -> None:
    """End the process, after `cleanup`, when the other end of `connection` closes.

    A thread waits for that, so it works while native code loads a model too. Ctrl-C is ignored:
    the parent handles it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def wait() -> None:
        poll = select.poll()
        poll.register(connection.fileno(), 0)  # hang-ups are always reported
        poll.poll()
        try:
            cleanup()
        finally:
            os._exit(0)

    Thread(target=wait, name="exit-with-parent", daemon=True).start()
