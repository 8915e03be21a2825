"""Events on their way from the computing thread to the thread of the event loop."""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections import deque
from contextlib import suppress

from openedai.engines.llama_cpp.sequence import Event, Job


class Outbox:
    """Puts events into the queues of their jobs. Made and closed in the event loop's thread."""

    def __init__(self) -> None:
        self._closed = False
        self._batches: deque[list[tuple[Job, Event]]] = deque()
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self._writing, False)
        # The interpreter lock is kept while this writes. Otherwise the event loop would take it,
        # and the computing thread would wait until all events are handled.
        self._write = ctypes.PyDLL(None).write
        self._events = asyncio.get_running_loop()
        self._events.add_reader(self._reading, self._receive)

    def send(self, events: list[tuple[Job, Event]]) -> None:
        """May be called in one other thread, until `close`."""
        self._batches.append(events)
        self._write(self._writing, b"\0", 1)

    def close(self) -> None:
        """Deliver what has been sent. Nothing may be sent from now on. May be called again."""
        if self._closed:
            return
        self._closed = True
        self._receive()
        self._events.remove_reader(self._reading)
        os.close(self._reading)
        os.close(self._writing)

    def _receive(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._reading, 4096)
        while self._batches:
            for job, event in self._batches.popleft():
                job.events.put_nowait(event)
