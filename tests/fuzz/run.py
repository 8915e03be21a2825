"""Sends cases to a server and watches it: its answers, log, memory, files and processes."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import psutil

from bench.processes import resident_bytes
from tests.fuzz.answers import Fault, check_answers
from tests.fuzz.cases import Case, Cases
from tests.fuzz.parts import ASSISTANT, CHAT, CONVERSATION, RESPONSE, THREAD, VECTOR_STORE
from tests.fuzz.response_bodies import ITEMS, KEPT
from tests.fuzz.targets import KEY
from tests.process.serving import Process

log = logging.getLogger("fuzz")

AT_ONCE = 16
_MAX_FAULTS = 20
_SETTLED = 5000  # cases at the beginning that do not count: caches fill, models are loaded
_EVERY = 250  # cases; how often the memory is measured
_GROWTH = 24 << 20  # bytes; what a run may add to a settled server

# What makes the things whose ids are in cases.
_MADE: dict[bytes, tuple[str, dict[str, Any]]] = {
    RESPONSE.encode(): (
        "/v1/responses",
        {"model": "echo", "input": [*ITEMS, KEPT], "background": True, "stream": False},
    ),
    CONVERSATION.encode(): (
        "/v1/conversations",
        {"items": [*ITEMS[-19:], KEPT], "metadata": {"a": "b"}},  # as many as may be
    ),
    VECTOR_STORE.encode(): ("/v1/vector_stores", {"name": "a", "metadata": {"a": "b"}}),
    ASSISTANT.encode(): ("/v1/assistants", {"model": "echo", "instructions": "a"}),
    THREAD.encode(): ("/v1/threads", {"messages": [{"role": "user", "content": "hi"}]}),
    CHAT.encode(): (
        "/v1/chat/completions",
        {"model": "echo", "messages": [{"role": "user", "content": "hi"}], "store": True},
    ),
}
_ID = re.compile(rb'"id":"([a-z]+[-_]\w+)"')


@dataclass
class Report:
    """`faults` have the number of a case, and what was wrong; `memory` is in bytes, sampled."""

    cases: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    faults: list[tuple[int, str]] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    slowest: tuple[float, int] = (0.0, -1)

    def growth(self) -> int:
        """Bytes between the middle and the end, by medians; 0 if there are too few samples."""
        settled = self.memory[_SETTLED // _EVERY :]
        if len(settled) < 12:
            return 0
        third = len(settled) // 3
        return int(statistics.median(settled[-third:]) - statistics.median(settled[:third]))


class Run:
    """A run of cases against a server that listens on `port`; `timeout` is for one case."""

    def __init__(self, server: Process, cases: Cases, timeout: float) -> None:
        self._server = server
        self._port = int(server.url.rpartition(":")[2])
        self._cases = cases
        self._timeout = timeout
        self.report = Report()

    async def run(self, numbers: Iterable[int]) -> Report:
        waiting = iter(numbers)

        async def worker() -> None:
            for number in waiting:
                if len(self.report.faults) >= _MAX_FAULTS:
                    return
                await self._try(number)
                if self.report.cases % _EVERY == 0:
                    self._measure()

        await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
        await self._check_server()
        return self.report

    def _measure(self) -> None:
        report, size = self.report, resident_bytes(self._server.process.pid)
        report.memory.append(size)
        log.info("%d requests, %d faults, %d MiB", report.cases, len(report.faults), size >> 20)

    async def _try(self, number: int) -> None:
        case = await self._with_ids(self._cases.case(number))
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(self._timeout):
                raw = await exchange(self._port, case)
            if not case.leaves:
                check_answers(case, raw)
        except TimeoutError:
            self._fault(number, f"no answer within {self._timeout} s")
        except Fault as fault:
            self._fault(number, str(fault))
        except OSError as error:
            self._fault(number, f"the server cannot be reached: {error}")
        else:
            status = "left" if case.leaves else raw[9:12].decode("latin-1") or "none"
            self.report.statuses[status] = self.report.statuses.get(status, 0) + 1
        self.report.cases += 1
        self.report.slowest = max(self.report.slowest, (loop.time() - started, number))

    async def _with_ids(self, case: Case) -> Case:
        """The case with the ids of things that are made for it."""
        parts = case.parts
        for placeholder, (path, body) in _MADE.items():
            if any(placeholder in part for part in parts):
                id = await self._make(path, body)
                assert len(id) == len(placeholder), id
                parts = [part.replace(placeholder, id) for part in parts]
        return replace(case, parts=parts)

    async def _make(self, path: str, body: dict[str, Any]) -> bytes:
        raw = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
            f"content-type: application/json\r\ncontent-length: {len(raw)}\r\n"
            f"openai-beta: assistants=v2\r\nauthorization: Bearer {KEY}\r\n\r\n"
        )
        answer = await exchange(self._port, Case([head.encode() + raw], "POST", path))
        found = _ID.search(answer)
        assert found, answer
        return found[1]

    def _fault(self, number: int, text: str) -> None:
        self.report.faults.append((number, text))

    async def _check_server(self) -> None:
        """What remains of the requests, when all clients have left."""
        report, process = self.report, psutil.Process(self._server.process.pid)
        if not process.is_running():
            return self._fault(-1, "the server has ended")
        log = self._server.log
        for at, line in enumerate(log):
            if "Traceback" in line or "Exception" in line:
                self._fault(-1, "in the log: " + "".join(log[max(0, at - 3) : at + 30]))
        sockets = 0
        for _ in range(50):
            sockets = len([one for one in process.net_connections() if one.raddr])
            if not sockets:
                break
            await asyncio.sleep(0.1)
        if sockets:
            self._fault(-1, f"{sockets} connections are still open")
        if uploads := [one for one in self._server.folders() if one.startswith("openedai-upload")]:
            self._fault(-1, f"{len(uploads)} files of requests were not deleted")
        if report.growth() > _GROWTH:
            self._fault(-1, f"the memory has grown by {report.growth() >> 20} MiB")
        return None


async def exchange(port: int, case: Case) -> bytes:
    """Send a case, and return all that comes until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in case.parts:
            writer.write(part)
            await writer.drain()
        if case.leaves:
            return await reader.read(1)
        if case.path is None:
            return await _read_or_leave(reader)
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def _read_or_leave(reader: asyncio.StreamReader) -> bytes:
    """As `read`, of a request that may be incomplete, or ask to keep the connection open."""
    raw = b""
    try:
        async with asyncio.timeout(1):
            while part := await reader.read(1 << 16):
                raw += part
    except TimeoutError:
        return b""
    return raw
