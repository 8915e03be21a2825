"""Starts a worker's process, before the event loop or in it."""

from __future__ import annotations

import subprocess
import sys


def spawn(module: str, end: int) -> subprocess.Popen[bytes]:
    """Run `python -m module FD`, with a pipe for its standard error. Raises OSError.

    It is in a process group of its own, so that Ctrl-C in a terminal reaches only the parent. It is
    in the parent's session: if the parent dies while it is stopped, before it could ask to be
    killed then, the kernel continues it, and it sees that its connection has ended.
    """
    return subprocess.Popen(
        [sys.executable, "-m", module, str(end)],
        pass_fds=(end,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        process_group=0,
    )
