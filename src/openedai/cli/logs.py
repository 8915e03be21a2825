"""The format of log lines: short text, or one JSON object per line."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

_EXTRA_FIELDS = ("request_id", "milliseconds", "model", "body")


class TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{key}={value}" for key, value in _extra_fields(record).items())
        time = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        line = _printable(f"{time} {level}{record.getMessage()} {fields}".rstrip())
        if not record.exc_info:
            return line
        traceback = self.formatException(record.exc_info).split("\n")
        return "\n    ".join([line, *map(_printable, traceback)])


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_extra_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str).replace("\x7f", "\\u007f")


def _printable(text: str) -> str:
    """The text on one line, with nothing that a terminal would obey: `\\x1b` for ESC."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def _extra_fields(record: logging.LogRecord) -> dict[str, object]:
    return {key: getattr(record, key) for key in _EXTRA_FIELDS if hasattr(record, key)}


def configure(log_format: Literal["text", "json"], level: str) -> None:
    """Log to standard error: our messages from `level`, those of libraries from WARNING.

    The parser of forms warns about what clients send; they already get an error for it.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("openedai").setLevel(level.upper())
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    # It logs what other servers send; their failures are already in the responses.
    logging.getLogger("mcp").setLevel(logging.CRITICAL)
