"""The process of a worker before anything of it has run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support import wait_until

PARENT = """
import os, time
from openedai.engines.process.spawn import spawn
print(spawn("waiting", os.pipe()[0]).pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("session", [False, True])
def test_a_process_that_is_stopped_at_once_ends_with_its_parent(
    tmp_path: Path, session: bool
) -> None:
    (tmp_path / "waiting.py").write_text("import os, sys\nos.read(int(sys.argv[1]), 1)\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    with subprocess.Popen(
        [sys.executable, "-c", PARENT],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        start_new_session=session,
    ) as parent:
        assert parent.stdout is not None
        process = psutil.Process(int(parent.stdout.readline()))
        process.send_signal(signal.SIGSTOP)
        wait_until(lambda: process.status() == psutil.STATUS_STOPPED)
        parent.kill()
    _, alive = psutil.wait_procs([process], timeout=10)
    assert not alive
