"""docs/prompt-formats.md is what the formats do."""

from __future__ import annotations

import re

from openedai.prompts.prompt_formats import detect_format, format_names, prompt_format
from tests.docs.pages import code_words, section
from tests.prompts.rendering import render

PAGE = "docs/prompt-formats.md"
MESSAGES = [
    {"role": "user", "content": "Name a colour."},
    {"role": "assistant", "content": "Blue."},
    {"role": "user", "content": "Another one."},
]


def test_the_table() -> None:
    rows = re.findall(r"^\| (`.*) \| (.*) \| (`.*) \|$", section(PAGE, "The formats"), re.MULTILINE)
    assert {code_words(row[0])[0] for row in rows} == set(format_names())
    for name, recognised, stops in rows:
        (word,) = code_words(name)
        written = [
            stop.replace("\n", r"\n").replace("|", r"\|") for stop in prompt_format(word).stop
        ]
        assert code_words(stops) == written
        assert {detect_format([example]).name for example in code_words(recognised)} <= {word}


def test_the_examples() -> None:
    expected = re.findall(
        r"^(`[^\n]*`):\n\n```text\n(.*?)\n```$",
        section(PAGE, "What they write"),
        re.MULTILINE | re.DOTALL,
    )
    names = [name for title, _ in expected for name in code_words(title)]
    assert sorted(names) == sorted(format_names())
    for title, text in expected:
        for name in code_words(title):
            assert render(name, MESSAGES).removesuffix("\n") == text
