"""Raw text to the events of an answer: stop texts, reasoning, calls and log probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.contract.chat import Chat, Tool
from openedai.contract.generate import ReasoningDelta, TextDelta, TokenLogprob, ToolCallDelta
from openedai.prompts.reading.answer import AnswerReader, ChatReader, Delta

WEATHER = Tool(name="get_weather", parameters={"type": "object", "properties": {}})
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Rome"}}\n</tool_call>'


def chat(*tools: Tool, required: bool = False, parallel: bool = True) -> Chat:
    return Chat(messages=(), tools=tools, call_required=required, parallel_calls=parallel)


def reader(about: Chat, *stops: str, strip: bool = False, is_open: bool = False) -> ChatReader:
    numbers = count(1)
    return ChatReader(
        about,
        stops,
        new_id=lambda: f"call_{next(numbers)}",
        strip=strip,
        reasoning_open=is_open,
    )


def read(by: AnswerReader, pieces: Iterable[str]) -> list[Delta]:
    events: list[Delta] = []
    for piece in pieces:
        if by.done:
            break
        events.extend(by.feed(piece))
    return events + by.end()


def said(events: Sequence[Delta]) -> tuple[str, str, dict[int, str]]:
    """The text, the reasoning, and the arguments of each call."""
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    thoughts = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    calls: dict[int, str] = {}
    for event in events:
        if isinstance(event, ToolCallDelta):
            calls[event.index] = calls.get(event.index, "") + event.arguments
    return text, thoughts, calls


@pytest.mark.parametrize(
    ("pieces", "stops", "text", "cut", "reason"),
    [
        (["one ", "two"], (), "one two", False, "stop"),
        (["one ", "two"], (), "one two", True, "length"),
        (["one ", "two ", "three"], ("two",), "one ", False, "stop"),
        (["one t", "w", "o three"], ("two",), "one ", True, "stop"),
        (["one t", "w"], ("two",), "one tw", True, "length"),
        (["\n\n<think>"], (), "\n\n<think>", False, "stop"),
    ],
)
def test_a_raw_answer(
    pieces: list[str], stops: tuple[str, ...], text: str, cut: bool, reason: str
) -> None:
    by = AnswerReader(stops)
    assert said(read(by, pieces)) == (text, "", {})
    assert by.reason(cut=cut) == reason


@pytest.mark.parametrize(
    ("text", "stop"),
    [
        ("one two three", "two"),
        ("one </s> two", None),
        ("one both two", "both"),
        ("one", None),
        ("one tw", None),
    ],
)
def test_which_stop_it_was(text: str, stop: str | None) -> None:
    """The model's own ends are nobody else's business."""
    for by in (
        AnswerReader(("two", "both"), own_stops=("</s>", "both")),
        ChatReader(chat(), ("two", "both"), own_stops=("</s>", "both")),
    ):
        read(by, [text])
        assert by.stop == stop
        assert by.reason(cut=False) == "stop"


def test_reasoning_then_text_then_a_call() -> None:
    by = reader(chat(WEATHER))
    events = read(by, f"<think>\nHm.\n</think>\n\nLet me look.\n{CALL}")
    assert said(events) == ("Let me look.", "Hm.", {0: '{"city": "Rome"}'})
    assert by.reason(cut=False) == "tool_calls"


def test_a_prompt_may_have_begun_the_reasoning() -> None:
    by = reader(chat(), is_open=True)
    assert by.reasons
    assert said(read(by, ["Hm", ".</th", "ink>Yes"])) == ("Yes", "Hm.", {})
    assert not by.reasons


@pytest.mark.parametrize(("strip", "text"), [(False, "  yes\n"), (True, "yes\n")])
def test_line_feeds_in_front_are_left_out(strip: bool, text: str) -> None:
    assert said(read(reader(chat(), strip=strip), ["\n", "\r\n  ", "yes\n"]))[0] == text


def test_a_limit_inside_of_a_call() -> None:
    by = reader(chat(WEATHER))
    text, _, calls = said(read(by, CALL.partition("Rome")[0]))
    assert (text, calls) == ("", {0: '{"city": "'})
    assert by.reason(cut=True) == "length"


def test_where_calls_are_required_no_beginning_of_one_is_a_text() -> None:
    assert said(read(reader(chat(WEATHER, required=True)), CALL[:30])) == ("", "", {})
    assert said(read(reader(chat(WEATHER)), CALL[:30])) == (CALL[:30], "", {})


def test_one_call_is_the_end_where_no_other_may_follow() -> None:
    by = reader(chat(WEATHER, parallel=False))
    assert said(read(by, CALL + CALL + " and more"))[2] == {0: '{"city": "Rome"}'}
    assert by.done
    assert by.reason(cut=True) == "tool_calls"


def test_a_stop_text_counts_inside_of_a_call() -> None:
    by = reader(chat(WEATHER), "Rome")
    assert said(read(by, CALL)) == ("", "", {0: '{"city": "'})
    assert by.reason(cut=False) == "stop"


def token(text: str) -> TokenLogprob:
    return TokenLogprob(token=text, raw=text.encode(), logprob=-1.0)


@given(st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=12), st.booleans())
def test_no_token_is_lost_and_none_comes_twice(pieces: list[str], stopped: bool) -> None:
    """Each is given with a text that is said at once with it or later."""
    by = AnswerReader(("abab",) if stopped else ())
    fed, given_back = [], []
    for piece in pieces:
        if by.done:
            break
        fed.append(piece)
        given_back += by.feed(piece, [token(piece)])
    given_back += by.end()
    texts = [event for event in given_back if isinstance(event, TextDelta)]
    tokens = [one.token for event in texts for one in event.logprobs]
    assert tokens == fed[: len(tokens)]
    if not by.done:
        assert tokens == fed
        assert "".join(event.text for event in texts) == "".join(fed)
