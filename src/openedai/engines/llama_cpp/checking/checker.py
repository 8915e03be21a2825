"""Has grammars written and checked in a separate process, which a bad grammar can only end."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import OrderedDict
from contextlib import suppress
from threading import Lock, Timer

import msgspec

from openedai.engines.llama_cpp.checking.grammar import GrammarSpec
from openedai.engines.llama_cpp.checking.written import Written
from openedai.engines.process.frames import read_frame, write_frame
from openedai.errors import InvalidRequest
from openedai.prompts.constraints import invalid_constraint

_KEPT = 64  # grammars
_LONGEST_KEPT = 1 << 16  # bytes of a request
_FATAL = Written()  # the answer for a grammar that ends the process
_SECONDS = 20.0  # in all, on a machine that is busy; the process has a tighter limit


class GrammarChecker:
    """May be used in any thread. The process is started for the first grammar."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._known: OrderedDict[bytes, Written] = OrderedDict()
        self._closed = False

    def lark(self, spec: GrammarSpec) -> str:
        """The grammar in Lark. Blocking. Raises InvalidRequest."""
        frame = msgspec.msgpack.encode(spec)
        with self._lock:
            written = self._known.get(frame) or self._written(frame) or self._written(frame)
            written = written or _FATAL
            if len(frame) <= _LONGEST_KEPT:
                self._known[frame] = written
                self._known.move_to_end(frame)
                if len(self._known) > _KEPT:
                    self._known.popitem(last=False)
        if written.lark is not None:
            return written.lark
        if not written.error:
            raise invalid_constraint(spec.constraint, "it is too complex")
        raise InvalidRequest(written.error, code=written.code, param=written.param)

    @property
    def process_id(self) -> int | None:
        """The process, if one is running."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process, if it does not run."""
        with self._lock:
            self._running()

    def close(self) -> None:
        """End the process. May be called several times."""
        self._closed = True
        if self._process is not None:
            self._process.kill()
        with self._lock:
            self._end()

    def _written(self, frame: bytes) -> Written | None:
        """The answer of the process; None if somebody killed it."""
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        deadline = Timer(_SECONDS, process.kill)
        deadline.daemon = True
        deadline.start()
        try:
            write_frame(process.stdin, frame)
            reply = read_frame(process.stdout)
        except BrokenPipeError:
            reply = None
        finally:
            deadline.cancel()
        if reply is None:
            killed = process.wait() == -signal.SIGKILL
            self._end()
            return None if killed else _FATAL
        return msgspec.msgpack.decode(reply, type=Written)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self._end()
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "openedai.engines.llama_cpp.checking.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in filter(None, (process.stdin, process.stdout)):
            # What was not written to it can no longer be written.
            with suppress(BrokenPipeError):
                pipe.close()
