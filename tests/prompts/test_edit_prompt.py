"""Edits: the prompt in each prompt format, and what is removed from an answer."""

from __future__ import annotations

import pytest

from openedai.prompts.edit_prompt import edit_chat, unwrap_edit
from openedai.prompts.prompt_formats import format_names
from tests.prompts.golden_edits import EDIT, EDITS, INSTRUCTION, TEXT, WRITE
from tests.prompts.rendering import render


def prompt(name: str, text: str) -> str:
    chat = edit_chat(INSTRUCTION, text, name)
    return render(
        name, [{"role": message.role, "content": message.content} for message in chat.messages]
    )


def test_every_format_is_covered() -> None:
    assert set(EDITS) == set(format_names())


@pytest.mark.parametrize("name", format_names())
def test_the_prompts(name: str) -> None:
    assert (prompt(name, TEXT), prompt(name, "")) == EDITS[name]


@pytest.mark.parametrize(("text", "content"), [(TEXT, EDIT), ("", WRITE)])
def test_other_templates_get_one_user_message(text: str, content: str) -> None:
    (message,) = edit_chat(INSTRUCTION, text).messages
    assert (message.role, message.content) == ("user", content)


@pytest.mark.parametrize(
    ("answer", "unwrapped"),
    [
        ("fixed", "fixed"),
        ("\n \r\nfixed\n\n", "fixed"),
        ("\n    indented\n  less", "    indented\n  less"),
        ("```\nfixed\n```", "fixed"),
        ("\n```python\n    def f():\n\n        pass\n```\n", "    def f():\n\n        pass"),
        ("", ""),
        (" \n ", ""),
        ("```\n\n```", ""),
        # These may be part of the answer.
        ("Here it is:\n```\nfixed\n```", "Here it is:\n```\nfixed\n```"),
        ("```\na\n```\n```\nb\n```", "```\na\n```\n```\nb\n```"),
        ("```\nfixed", "```\nfixed"),
        ("```fixed```", "```fixed```"),
        ('"fixed"', '"fixed"'),
    ],
)
def test_answers_are_unwrapped(answer: str, unwrapped: str) -> None:
    assert unwrap_edit(answer, INSTRUCTION, TEXT) == unwrapped


FENCED = "```\nfixed\n```"


@pytest.mark.parametrize(
    "instruction", ["Put it into a code block", "use a code-block", "As Markdown", "wrap it in ```"]
)
def test_a_requested_code_block_stays(instruction: str) -> None:
    assert unwrap_edit(FENCED, instruction, TEXT) == FENCED


def test_a_code_block_of_the_text_stays() -> None:
    assert unwrap_edit(FENCED, INSTRUCTION, "```\nfixde\n```") == FENCED
