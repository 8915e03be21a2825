"""Children whose parent dies."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from openedai.engines.process.hosted import Hosted
from tests.children import Children
from tests.support import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals of Linux' kernel")

# The child never lets Python's lock go, as some libraries do while they load.
CHILD = """
import ctypes, socket, sys
from openedai.engines.process.parent import exit_with_parent
exit_with_parent(socket.socket(fileno=int(sys.argv[1])))
print("holding", flush=True)
ctypes.PyDLL(None).sleep(600)
"""
PARENT = """
import socket, subprocess, sys
ours, theirs = socket.socketpair()
child = subprocess.Popen(
    [sys.executable, "-c", sys.argv[1], str(theirs.fileno())], pass_fds=(theirs.fileno(),)
)
print(child.pid, flush=True)
child.wait()
"""


def test_a_child_that_holds_pythons_lock_ends_with_its_parent() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, CHILD], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    assert parent.stdout.readline() == "holding\n"
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_the_kernel_ends_workers_before_the_server_where_memory_runs_out() -> None:
    def score(process: int | str) -> int:
        return int(Path(f"/proc/{process}/oom_score_adj").read_text())

    async def go() -> None:
        engine = await Hosted.start("echo", "m", None, {})
        (worker,) = children.new()
        assert score(worker.pid) > score("self")
        await engine.close()

    children = Children()
    asyncio.run(go())
