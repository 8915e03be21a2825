from __future__ import annotations

import pytest
from faster_whisper.tokenizer import _LANGUAGE_CODES

from openedai.audio.languages import NAMES, code_of, name_of


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("en", "en"),
        ("English", "en"),
        (" pt-BR", "pt"),
        ("zh_Hant", "zh"),
        ("haitian creole", "ht"),
        ("haw", "haw"),
        ("jw", "jv"),
        ("klingon", None),
        ("", None),
    ],
)
def test_codes(text: str, code: str | None) -> None:
    assert code_of(text) == code


def test_names_and_codes_are_unique() -> None:
    assert len(set(NAMES.values())) == len(NAMES)
    assert all(code_of(name) == code for code, name in NAMES.items())
    assert name_of("tlh") == "tlh"


def test_they_are_whispers() -> None:
    assert {code_of(code) for code in _LANGUAGE_CODES} == set(NAMES)
