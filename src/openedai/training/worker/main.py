"""The process that trains: `python -m openedai.training.worker.main FD`.

It trains what the first frame says, reports each step, and ends with its parent. It has a low
priority, and its threads do not wait actively: llama.cpp may compute beside it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import traceback
from collections.abc import Callable
from threading import Event

import msgspec

from openedai.engines.machine import usable_cores
from openedai.engines.process.connection import Connection, pack
from openedai.engines.process.messages import Failure
from openedai.engines.process.parent import run_and_exit, socket_to_parent
from openedai.errors import APIError
from openedai.training.messages import Failed, Pause, Report, Task

_NICE = 10


async def _main(end: socket.socket) -> None:
    connection = await Connection.over(end)
    body = await connection.frame()
    if body is None:
        return
    task = msgspec.msgpack.decode(body, type=Task)
    stop = Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)

    def obey(frame: bytes) -> None:
        msgspec.msgpack.decode(frame, type=Pause)
        stop.set()

    def report(report: Report) -> None:
        loop.call_soon_threadsafe(connection.send, pack(report))

    connection.receive_with(obey)
    await asyncio.to_thread(_train, task, report, stop)
    await connection.writable()
    connection.close()
    await connection.closed


def _train(task: Task, report: Callable[[Report], None], stop: Event) -> None:
    try:
        import torch

        from openedai.training.worker.run import Run

        torch.set_num_threads(task.threads or max(1, usable_cores() - 1))
        Run(task, report, stop).run()
    except Exception as error:
        if not isinstance(error, APIError):
            traceback.print_exc()
        report(Failed(failure=Failure.of(error)))


def main() -> None:
    # Read by the threading library when torch is imported. The server's own values are for engines.
    os.environ |= {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
    end = socket_to_parent()
    os.nice(_NICE)
    run_and_exit(_main(end))


if __name__ == "__main__":
    main()
