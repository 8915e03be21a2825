"""Edits: what each prompt format is asked, and what is taken off an answer."""

from __future__ import annotations

import pytest

from openedai.prompts.edit_prompt import bare_edit, edit_chat
from openedai.prompts.prompt_formats import format_names
from tests.prompts.golden_edits import EDIT, EDITS, INSTRUCTION, TEXT, WRITE
from tests.prompts.rendering import render


def prompt(family: str, text: str) -> str:
    messages = edit_chat(INSTRUCTION, text, family).messages
    return render(family, [{"role": one.role, "content": one.content} for one in messages])


def test_every_format_has_its_edits() -> None:
    assert set(EDITS) == set(format_names())


@pytest.mark.parametrize("family", format_names())
def test_what_is_asked(family: str) -> None:
    assert (prompt(family, TEXT), prompt(family, "")) == EDITS[family]


@pytest.mark.parametrize(("text", "asked"), [(TEXT, EDIT), ("", WRITE)])
def test_any_other_template_gets_one_message_of_the_user(text: str, asked: str) -> None:
    (message,) = edit_chat(INSTRUCTION, text).messages
    assert (message.role, message.content) == ("user", asked)


@pytest.mark.parametrize(
    ("answer", "bare"),
    [
        ("fixed", "fixed"),
        ("\n \r\nfixed\n\n", "fixed"),
        ("\n    indented\n  less", "    indented\n  less"),
        ("```\nfixed\n```", "fixed"),
        ("\n```python\n    def f():\n\n        pass\n```\n", "    def f():\n\n        pass"),
        ("", ""),
        (" \n ", ""),
        ("```\n\n```", ""),
        # What could be meant as it is.
        ("Here it is:\n```\nfixed\n```", "Here it is:\n```\nfixed\n```"),
        ("```\na\n```\n```\nb\n```", "```\na\n```\n```\nb\n```"),
        ("```\nfixed", "```\nfixed"),
        ("```fixed```", "```fixed```"),
        ('"fixed"', '"fixed"'),
    ],
)
def test_what_is_put_around_an_answer(answer: str, bare: str) -> None:
    assert bare_edit(answer, INSTRUCTION, TEXT) == bare


FENCED = "```\nfixed\n```"


@pytest.mark.parametrize(
    "instruction", ["Put it into a code block", "use a code-block", "As Markdown", "wrap it in ```"]
)
def test_a_fence_that_was_asked_for_stays(instruction: str) -> None:
    assert bare_edit(FENCED, instruction, TEXT) == FENCED


def test_a_fence_that_was_there_stays() -> None:
    assert bare_edit(FENCED, INSTRUCTION, "```\nfixde\n```") == FENCED
