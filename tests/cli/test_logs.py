"""A log record is one line, whatever clients put into it."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from openedai.cli.logs import JsonFormatter, TextFormatter

FORGED = "/v1/x\n12:00:00 error: all is lost\r\x1b[2J\x9b31m\x7f\u2028\ud800 \u202eé"


def record_of(error: bool) -> logging.LogRecord:
    record = logging.LogRecord("openedai", logging.INFO, "", 0, "GET %s", (FORGED,), None)
    record.model = FORGED
    if error:
        try:
            raise ValueError(FORGED)
        except ValueError:
            record.exc_info = sys.exc_info()
    return record


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_nothing_from_a_client_makes_a_line_or_moves_the_cursor(
    formatter: logging.Formatter,
) -> None:
    line = formatter.format(record_of(error=False))
    assert line.isprintable()
    assert line.isascii() or "é" in line


def test_the_lines_of_a_traceback_are_indented() -> None:
    first, *others = TextFormatter().format(record_of(error=True)).split("\n")
    assert first.endswith("é")
    assert others[0] == "    Traceback (most recent call last):"
    assert all(line.startswith("    ") and line.isprintable() for line in others)


def test_json_keeps_what_was_logged() -> None:
    line = JsonFormatter().format(record_of(error=True))
    assert "\n" not in line
    logged = json.loads(line)
    assert logged["message"] == f"GET {FORGED}"
    assert logged["model"] == FORGED
    assert FORGED in logged["exception"]
