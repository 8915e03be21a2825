"""The last lines of the log, for people who look at the server from another machine.

Request bodies are left out. So are the messages of unexpected exceptions, which may contain values
from a request; their types and lines of code are included.
"""

from __future__ import annotations

import logging
import traceback
from collections import deque
from dataclasses import dataclass

_KEPT = 1000
_MAX_MESSAGE = 2000
_FIELDS = ("request_id", "milliseconds", "model")


@dataclass(frozen=True)
class LogLine:
    """`number` counts the lines since the start, `time` is in seconds since 1970."""

    number: int
    time: float
    level: str
    logger: str
    message: str
    fields: dict[str, str]
    trace: str | None


class RecentLogs(logging.Handler):
    """Keeps what the root logger gets between `attach` and `detach`."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[LogLine] = deque(maxlen=_KEPT)
        self._count = 0

    def attach(self) -> None:
        logging.getLogger().addHandler(self)

    def detach(self) -> None:
        logging.getLogger().removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._count += 1  # under the handler's lock
            self._lines.append(_line(record, self._count))
        except Exception:
            self.handleError(record)

    def after(self, number: int) -> list[LogLine]:
        """The lines kept so far with a higher number, in order."""
        self.acquire()
        try:
            return [line for line in self._lines if line.number > number]
        finally:
            self.release()


def _line(record: logging.LogRecord, number: int) -> LogLine:
    return LogLine(
        number=number,
        time=record.created,
        level=record.levelname.lower(),
        logger=record.name,
        message=record.getMessage()[:_MAX_MESSAGE],
        fields={name: str(getattr(record, name)) for name in _FIELDS if hasattr(record, name)},
        trace=_trace(record),
    )


def _trace(record: logging.LogRecord) -> str | None:
    """The lines of code and the type of the record's exception, without its message."""
    if not record.exc_info or record.exc_info[0] is None:
        return None
    kind, _, trace = record.exc_info
    places = traceback.format_list(traceback.extract_tb(trace))
    return "".join([*places, kind.__qualname__])
