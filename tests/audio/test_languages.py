from __future__ import annotations

import pytest
from faster_whisper.tokenizer import _LANGUAGE_CODES

from openedai.audio.languages import language_code, language_names


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("en", "en"),
        ("English", "en"),
        (" pt-BR", "pt"),
        ("zh_Hant", "zh"),
        ("haitian creole", "ht"),
        ("haw", "haw"),
        ("klingon", None),
        ("", None),
    ],
)
def test_codes(text: str, code: str | None) -> None:
    assert language_code(text) == code


def test_names_and_codes_are_unique() -> None:
    names = language_names()
    assert len(names) == len(set(names.values())) == 100
    assert all(language_code(name) == code for code, name in names.items())


def test_they_are_whispers() -> None:
    assert set(language_names()) == set(_LANGUAGE_CODES)
