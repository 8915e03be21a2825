"""Numbers in spreadsheets as people see them: dates, times and percentages."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Literal

Shown = Literal["number", "date", "time", "percent"]

_EPOCH = datetime(1899, 12, 30, tzinfo=UTC)  # correct from March 1900 onwards
_EPOCH_1904 = datetime(1904, 1, 1, tzinfo=UTC)
_DATES = frozenset((*range(14, 18), 22, *range(27, 37), *range(50, 59)))
_TIMES = frozenset((18, 19, 20, 21, 45, 46, 47))
_PERCENTAGES = frozenset((9, 10))
_LITERAL = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|_.|\*.')


def shown(format_id: int, formats: dict[int, str]) -> Shown:
    """How numbers of this format are shown; `formats` has the codes of custom ones."""
    code = _LITERAL.sub("", formats.get(format_id, "")).lower().partition(";")[0]
    if format_id in _DATES or re.search("[yd]|mmm", code):
        return "date"
    if format_id in _TIMES or re.search("[hs]", code):
        return "time"
    return "percent" if format_id in _PERCENTAGES or "%" in code else "number"


def number_text(value: str, how: Shown, since_1904: bool) -> str:
    """The number in a cell as text; unchanged if it is not a number."""
    try:
        number = float(value)
    except ValueError:
        return value
    if how == "percent":
        return f"{number * 100:.10g}%"
    if how in ("date", "time"):
        try:
            return _date_text(number, how, since_1904)
        except OverflowError:
            return value
    return f"{number:.15g}" if abs(number) < 1e15 else value


def _date_text(number: float, how: Shown, since_1904: bool) -> str:
    epoch = _EPOCH_1904 if since_1904 else _EPOCH
    moment = epoch + timedelta(seconds=round(number * 86400))
    if how == "time" and 0 <= number < 1:
        return f"{moment:%H:%M:%S}".removesuffix(":00")
    if number == int(number):
        return f"{moment:%Y-%m-%d}"
    return f"{moment:%Y-%m-%d %H:%M:%S}".removesuffix(":00")
