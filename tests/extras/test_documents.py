"""Documents that an extra reads, in a process with the usual limits."""

from __future__ import annotations

import pytest

from tests.extract.reading import read, refusal

pytestmark = pytest.mark.extras

_RTF = rb"""{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}\f0 Gr\'f6\'dfe \b pr\'fcfen\b0\par
Zweite Zeile \u26481?\par{\*\generator x;}\trowd\cellx1000\cellx2000 a\cell b\cell\row}"""


@pytest.mark.parametrize("name", ["letter.rtf", "letter"])
def test_rtf(name: str) -> None:
    lines = [line for line in read(_RTF, name).text.splitlines() if line]
    assert lines == ["Größe prüfen", "Zweite Zeile 東", "a b"]


@pytest.mark.parametrize("name", ["a.doc", "a.xls", "a.ppt", "a.msg"])
def test_broken_files(name: str) -> None:
    error = refusal(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), name)
    assert (error.code, "broken" in error.message) == ("invalid_file", True)
