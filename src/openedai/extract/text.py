"""Reads the text of a file in a process that is started for it and ends with it."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from pathlib import Path

import msgspec

from openedai.engines.process.child import Child
from openedai.errors import EngineFailed
from openedai.extract.formats.plain import read_unicode
from openedai.extract.messages import Answer, Failed, Task
from openedai.extract.result import Limits, NotReadable, Section, Text

__all__ = ["Limits", "NotReadable", "Section", "Text", "extract"]

log = logging.getLogger("openedai.extract")

_MODULE = "openedai.extract.worker"
_WAITING = 4  # times as long as it may compute, because the machine may be busy
_decode: Callable[[bytes], Answer] = msgspec.msgpack.Decoder(Answer).decode


async def extract(path: Path, name: str, limits: Limits) -> Text:
    """The text of the file at `path`, whose format follows from its bytes and its `name`.

    Unicode text is read here, everything else in a separate process, which has ended when this
    returns, raises or is cancelled. Raises NotReadable, and OSError if there is no such file.
    """
    if (text := await asyncio.to_thread(read_unicode, path, name, limits)) is not None:
        return text
    task = Task(str(path), name, limits.seconds, limits.memory, limits.characters)
    try:
        child = await Child.start(_MODULE, task)
    except EngineFailed as error:
        raise NotReadable("server_error", error.message) from error
    try:
        async with asyncio.timeout(_WAITING * limits.seconds):
            body = await child.connection.frame()
            if body is None:
                await child.wait()
    except TimeoutError:
        raise _too_slow(limits) from None
    finally:
        child.kill()
        await child.stop()
    if body is None:
        raise _died(child, name, limits)
    answer = await asyncio.to_thread(_decode, body)
    if isinstance(answer, Failed):
        raise NotReadable(answer.code, answer.message)
    return answer.text


def _died(child: Child, name: str, limits: Limits) -> NotReadable:
    status = child.process.returncode
    if status == -signal.SIGXCPU:
        return _too_slow(limits)
    log.warning("the process that read %r ended with %s: %s", name, status, child.last_output())
    if status == -signal.SIGKILL:
        return NotReadable("server_error", "The process that read the file was killed.")
    return NotReadable(
        "invalid_file", "The file cannot be read: it may be broken, or needs too much memory."
    )


def _too_slow(limits: Limits) -> NotReadable:
    return NotReadable(
        "invalid_file", f"The file cannot be read within {limits.seconds:g} seconds."
    )
