"""Starts a worker's process, before the event loop or in it."""

from __future__ import annotations

import subprocess
import sys


def spawn(module: str, end: int) -> subprocess.Popen[bytes]:
    """Run `python -m module FD`, with a pipe for its standard error. Raises OSError.

    It has its own process group, so that Ctrl-C in a terminal reaches only the parent. It stays in
    the parent's session: if the parent dies while the child is stopped, before the child has asked
    to be killed with its parent, the kernel continues it, and it sees that its connection has
    ended.
    """
    return subprocess.Popen(
        [sys.executable, "-m", module, str(end)],
        pass_fds=(end,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        process_group=0,
    )
