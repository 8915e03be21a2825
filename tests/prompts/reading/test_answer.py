"""The events of an answer: text up to a stop string, reasoning, calls and log probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.contract.chat import Chat, Tool
from openedai.contract.generate import ReasoningDelta, TextDelta, TokenLogprob
from openedai.prompts.reading.answer import AnswerReader, ChatReader, Delta
from tests.prompts.reading.answers import fold, numbered_ids

WEATHER = Tool(name="get_weather", parameters={"type": "object", "properties": {}})
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Rome"}}\n</tool_call>'


def chat(*tools: Tool, required: bool = False, parallel: bool = True) -> Chat:
    return Chat(messages=(), tools=tools, call_required=required, parallel_calls=parallel)


def chat_reader(chat: Chat, *stops: str, strip: bool = False, is_open: bool = False) -> ChatReader:
    return ChatReader(
        chat,
        stops,
        new_id=numbered_ids(),
        strip=strip,
        reasoning_open=is_open,
    )


def read(reader: AnswerReader, chunks: Iterable[str]) -> list[Delta]:
    events: list[Delta] = []
    for chunk in chunks:
        if reader.done:
            break
        events.extend(reader.feed(chunk))
    return events + reader.end()


def parts(events: Sequence[Delta]) -> tuple[str, str, list[str]]:
    """The text, the reasoning, and the arguments of each call."""
    reasoning = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    text, calls = fold(event for event in events if not isinstance(event, ReasoningDelta))
    return text, reasoning, [arguments for _, arguments in calls]


@pytest.mark.parametrize(
    ("chunks", "stops", "text", "truncated", "reason"),
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
    chunks: list[str], stops: tuple[str, ...], text: str, truncated: bool, reason: str
) -> None:
    reader = AnswerReader(stops)
    assert parts(read(reader, chunks)) == (text, "", [])
    assert reader.finish_reason(truncated=truncated) == reason


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
def test_the_requested_stop_that_ended_an_answer(text: str, stop: str | None) -> None:
    """Stops of the model itself are not reported."""
    for reader in (
        AnswerReader(("two", "both"), model_stops=("</s>", "both")),
        ChatReader(chat(), ("two", "both"), model_stops=("</s>", "both")),
    ):
        read(reader, [text])
        assert reader.stop == stop
        assert reader.finish_reason(truncated=False) == "stop"


def test_an_answer_too_short_for_stops() -> None:
    reader = AnswerReader(["a"])
    deltas = reader.feed("bab", may_stop=False) + reader.feed("bab")
    assert parts(deltas + reader.end())[0] == "babb"
    assert reader.done


def test_a_stop_that_is_a_part_of_the_answer() -> None:
    """A requested one only: those of the model are not."""
    for text, answer in (("one. two", "one."), ("one</s>two", "one")):
        reader = AnswerReader(["."], ["</s>"], keep_stop=True)
        assert parts(reader.feed(text) + reader.end())[0] == answer


def test_reasoning_then_text_then_a_call() -> None:
    reader = chat_reader(chat(WEATHER))
    events = read(reader, f"<think>\nHm.\n</think>\n\nLet me look.\n{CALL}")
    assert parts(events) == ("Let me look.", "Hm.", ['{"city": "Rome"}'])
    assert reader.finish_reason(truncated=False) == "tool_calls"


def test_a_prompt_that_begins_the_reasoning() -> None:
    reader = chat_reader(chat(), is_open=True)
    assert reader.in_reasoning
    assert parts(read(reader, ["Hm", ".</th", "ink>Yes"])) == ("Yes", "Hm.", [])
    assert not reader.in_reasoning


@pytest.mark.parametrize(("strip", "text"), [(False, "  yes\n"), (True, "yes\n")])
def test_line_feeds_before_the_answer_are_dropped(strip: bool, text: str) -> None:
    assert parts(read(chat_reader(chat(), strip=strip), ["\n", "\r\n  ", "yes\n"]))[0] == text


def test_an_answer_truncated_in_a_call() -> None:
    reader = chat_reader(chat(WEATHER))
    text, _, calls = parts(read(reader, CALL.partition("Rome")[0]))
    assert (text, calls) == ("", ['{"city": "'])
    assert reader.finish_reason(truncated=True) == "length"


def test_the_start_of_a_required_call_is_not_text() -> None:
    assert parts(read(chat_reader(chat(WEATHER, required=True)), CALL[:30])) == ("", "", [])
    assert parts(read(chat_reader(chat(WEATHER)), CALL[:30])) == (CALL[:30], "", [])


def test_one_call_is_the_end_without_parallel_calls() -> None:
    reader = chat_reader(chat(WEATHER, parallel=False))
    assert parts(read(reader, CALL + CALL + " and more"))[2] == ['{"city": "Rome"}']
    assert reader.done
    assert reader.finish_reason(truncated=True) == "tool_calls"


def test_a_stop_in_a_call() -> None:
    reader = chat_reader(chat(WEATHER), "Rome")
    assert parts(read(reader, CALL)) == ("", "", ['{"city": "'])
    assert reader.finish_reason(truncated=False) == "stop"


def token(text: str) -> TokenLogprob:
    return TokenLogprob(token=text, raw=text.encode(), logprob=-1.0)


@given(st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=12), st.booleans())
def test_each_token_is_attached_once(chunks: list[str], stopped: bool) -> None:
    """To a text that is passed on together with it or later."""
    reader = AnswerReader(("abab",) if stopped else ())
    fed, events = [], []
    for chunk in chunks:
        if reader.done:
            break
        fed.append(chunk)
        events += reader.feed(chunk, [token(chunk)])
    events += reader.end()
    texts = [event for event in events if isinstance(event, TextDelta)]
    tokens = [logprob.token for event in texts for logprob in event.logprobs]
    assert tokens == fed[: len(tokens)]
    if not reader.done:
        assert tokens == fed
        assert "".join(event.text for event in texts) == "".join(fed)
