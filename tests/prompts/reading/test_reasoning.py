"""Reasoning is told apart from the answer, wherever the text is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.prompts.reading.reasoning import TAGS, ReasoningSplitter, opens_reasoning
from tests.prompts.reading.cuts import PLACES, cut, every_cut


def split(pieces: list[str], already_open: bool = False) -> tuple[str, str]:
    """(reasoning, answer), after a check that the answer comes behind the reasoning."""
    splitter = ReasoningSplitter(already_open)
    said = [part for piece in pieces for part in splitter.feed(piece)] + splitter.flush()
    assert all(text for _, text in said)
    kinds = [kind for kind, _ in said]
    assert kinds == sorted(kinds, reverse=True)
    reasoning = "".join(text for kind, text in said if kind == "reasoning")
    return reasoning, "".join(text for kind, text in said if kind == "answer")


@pytest.mark.parametrize(
    ("text", "reasoning", "answer"),
    [
        ("<think>\nTwo and two.\n</think>\n\nFour.", "Two and two.", "Four."),
        ("\n <think>a</think>b", "a", "b"),
        ("<think>\n\n</think>\n\nHi", "", "Hi"),
        ("<think>\na\n\nb\n</think>\n  c\n", "a\n\nb", "  c\n"),
        ("[THINK]Is 3 < 4? [yes][/THINK]Yes.", "Is 3 < 4? [yes]", "Yes."),
        ("<seed:think>x</think></seed:think>y", "x</think>", "y"),
        ("<think>a</think>b<think>c</think>", "a", "b<think>c</think>"),
        ("<think>never ends\n", "never ends\n", ""),
        ("<think>ends in a tag</thi", "ends in a tag</thi", ""),
        ("<thinker> is a word", "", "<thinker> is a word"),
        ("Say <think> now</think>", "", "Say <think> now</think>"),
        ("\n\n  plain\n", "", "\n\n  plain\n"),
        ("  ", "", "  "),
        ("", "", ""),
    ],
)
def test_blocks(text: str, reasoning: str, answer: str) -> None:
    for pieces in every_cut(text):
        assert split(pieces) == (reasoning, answer)


@pytest.mark.parametrize(
    ("text", "reasoning", "answer"),
    [
        ("Hm.\n</think>\n\nFour.", "Hm.", "Four."),
        ("\nHm.\n[/THINK]Four.", "Hm.", "Four."),
        ("<think>\nHm.\n</think>Four.", "Hm.", "Four."),
        ("cut by the lim", "cut by the lim", ""),
        ("</think>Four.", "", "Four."),
    ],
)
def test_blocks_that_the_prompt_opened(text: str, reasoning: str, answer: str) -> None:
    for pieces in every_cut(text):
        assert split(pieces, already_open=True) == (reasoning, answer)


@given(st.text("ab\n<>/ [é", max_size=50), PLACES)
def test_text_without_a_tag_comes_out_as_it_is(text: str, places: list[int]) -> None:
    assert split(cut(text, places)) == ("", text)
    assert split(cut("x" + text + "</think>", places)) == ("", "x" + text + "</think>")


@given(st.sampled_from(list(TAGS)), st.text("a\n<[/", max_size=40), st.text("a\n<"), PLACES)
def test_any_block(opening: str, reasoning: str, answer: str, places: list[int]) -> None:
    text = opening + reasoning + TAGS[opening] + answer
    parts = reasoning.strip("\n"), answer.lstrip("\n")
    assert split(cut(text, places)) == parts


def test_nothing_is_held_back_that_is_decided() -> None:
    splitter = ReasoningSplitter()
    assert splitter.feed("<think>\nSo") == [("reasoning", "So")]
    assert splitter.feed(" on") == [("reasoning", " on")]
    assert splitter.feed("\n</thi") == []
    assert "".join(text for _, text in splitter.feed("ef>")) == "\n</thief>"
    assert splitter.feed("</think>") == []
    assert splitter.feed("\nYes") == [("answer", "Yes")]
    assert splitter.feed("<think>") == [("answer", "<think>")]


@pytest.mark.parametrize(
    ("prompt", "opens"),
    [
        ("<|im_start|>assistant\n<think>\n", True),
        ("[INST]Hi[/INST][THINK]", True),
        ("<|im_start|>assistant\n<think>\n\n</think>\n\n", False),
        ("<|im_start|>assistant\n", False),
    ],
)
def test_prompts_that_open_a_block(prompt: str, opens: bool) -> None:
    assert opens_reasoning(prompt) is opens
