"""Reasoning is separated from the answer, wherever the text is split."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.prompts.reading.reasoning import REASONING_TAGS, ReasoningSplitter, opens_reasoning
from tests.prompts.reading.chunks import POSITIONS, all_splits, split_at


def split(chunks: list[str], already_open: bool = False) -> tuple[str, str]:
    """(reasoning, answer), after a check that the answer comes after the reasoning."""
    splitter = ReasoningSplitter(already_open)
    parts = [part for chunk in chunks for part in splitter.feed(chunk)] + splitter.flush()
    assert all(text for _, text in parts)
    names = [name for name, _ in parts]
    assert names == sorted(names, reverse=True)
    reasoning = "".join(text for name, text in parts if name == "reasoning")
    return reasoning, "".join(text for name, text in parts if name == "answer")


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
    for chunks in all_splits(text):
        assert split(chunks) == (reasoning, answer)


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
def test_blocks_that_the_prompt_opens(text: str, reasoning: str, answer: str) -> None:
    for chunks in all_splits(text):
        assert split(chunks, already_open=True) == (reasoning, answer)


@given(st.text("ab\n<>/ [é", max_size=50), POSITIONS)
def test_text_without_a_tag_is_unchanged(text: str, positions: list[int]) -> None:
    assert split(split_at(text, positions)) == ("", text)
    assert split(split_at("x" + text + "</think>", positions)) == ("", "x" + text + "</think>")


@given(
    st.sampled_from(list(REASONING_TAGS)),
    st.text("a\n<[/", max_size=40),
    st.text("a\n<"),
    POSITIONS,
)
def test_any_block(opening: str, reasoning: str, answer: str, positions: list[int]) -> None:
    text = opening + reasoning + REASONING_TAGS[opening] + answer
    parts = reasoning.strip("\n"), answer.lstrip("\n")
    assert split(split_at(text, positions)) == parts


def test_only_undecided_text_is_held_back() -> None:
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
