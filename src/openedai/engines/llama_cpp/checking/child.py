"""The process that writes and checks grammars: it reads them from a pipe, one after the other.

A grammar that takes too much time, memory or stack ends it, by the kernel's limits.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from typing import IO

import msgspec

from openedai.engines.llama_cpp.checking.grammar import GrammarSpec, GrammarWriter
from openedai.engines.llama_cpp.checking.written import Written
from openedai.engines.process.frames import read_frame, write_frame
from openedai.errors import InvalidRequest

_SECONDS = 2.0  # of computing, for each grammar
_MEMORY = 2 << 30


def main() -> None:
    """Run until the pipe ends."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    _serve(sys.stdin.buffer, replies)


def _serve(requests: IO[bytes], replies: IO[bytes]) -> None:
    writer = GrammarWriter()
    while (frame := read_frame(requests)) is not None:
        signal.setitimer(signal.ITIMER_PROF, _SECONDS)
        written = _written(writer, msgspec.msgpack.decode(frame, type=GrammarSpec))
        signal.setitimer(signal.ITIMER_PROF, 0)
        write_frame(replies, msgspec.msgpack.encode(written))


def _written(writer: GrammarWriter, spec: GrammarSpec) -> Written:
    try:
        return Written(lark=writer.write(spec))
    except InvalidRequest as error:
        return Written(error=error.template, code=error.code, param=error.param)


if __name__ == "__main__":
    main()
