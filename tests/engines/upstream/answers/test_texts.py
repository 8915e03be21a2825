"""Texts, usage and ends of streamed answers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from openedai.contract.generate import Finish, GenerateRequest, ReasoningDelta, TextDelta, Usage
from openedai.engines.upstream.answers.generation import AnswerEvents, Chunk
from openedai.engines.upstream.answers.problems import MalformedAnswer
from tests.engines.upstream.answers.streams import CHAT, STOP, delta, events, finish
from tests.engines.upstream.answers.test_calls import call


def test_a_text_with_a_full_usage() -> None:
    usage = {
        "prompt_tokens": 7,
        "completion_tokens": 5,
        "total_tokens": 12,
        "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": None},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    assert events(
        delta(role="assistant", content=""),
        delta(reasoning_content="Hm. "),
        delta(reasoning="So."),
        delta(content="Good "),
        delta(content="day"),
        delta(content=None) | {"finish_reason": "length"},
        usage=usage,
    ) == [
        ReasoningDelta(text="Hm. "),
        ReasoningDelta(text="So."),
        TextDelta(text="Good "),
        TextDelta(text="day"),
        finish("length", prompt_tokens=7, completion_tokens=5, cached_tokens=4, reasoning_tokens=2),
    ]


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, Usage()),
        ({}, Usage()),
        ({"prompt_tokens": -1, "completion_tokens": None}, Usage()),
        (
            {"prompt_tokens": 3, "completion_tokens": 2, "reasoning_tokens": 1},
            Usage(prompt_tokens=3, completion_tokens=2, reasoning_tokens=1),
        ),
        (
            {"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 9}},
            Usage(prompt_tokens=3, cached_tokens=3),
        ),
    ],
)
def test_usage_that_is_incomplete(usage: Any, expected: Usage) -> None:
    assert events(delta(content="a"), STOP, usage=usage)[-1] == Finish(
        reason="stop", usage=expected
    )


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("stop", "stop"),
        ("eos_token", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("model_length", "length"),
        ("content_filter", "content_filter"),
        ("tool_calls", "stop"),
    ],
)
def test_reasons(theirs: str, ours: str) -> None:
    assert events(delta(content="a"), {"finish_reason": theirs})[-1] == finish(ours)


@pytest.mark.parametrize("reason", [None, "abort", "error"])
def test_an_answer_without_a_good_end_is_malformed(reason: str | None) -> None:
    with pytest.raises(MalformedAnswer):
        events(delta(content="a"), {"finish_reason": reason})


THINKING = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}


@pytest.mark.parametrize(
    ("choices", "texts"),
    [
        ([delta(content=[THINKING]), delta(content="a")], ["Hm.", "a"]),
        ([delta(content=[THINKING, {"type": "text", "text": "a"}])], ["Hm.", "a"]),
        ([delta(content=[{"type": "thinking", "thinking": "Hm."}, "a"])], ["Hm.", "a"]),
        ([delta(content=[{"type": "reasoning", "text": "Hm."}, {"text": "a"}])], ["Hm.", "a"]),
        ([delta(content={"type": "text", "text": "a"}, thinking="Hm.")], ["Hm.", "a"]),
        ([delta(content=[{"type": "reference", "ids": [1]}]), delta(content="a")], ["a"]),
        ([{"message": {"role": "assistant", "content": "a"}}], ["a"]),
        ([{"message": {"content": "a"}}, {"message": {"content": "b"}}], ["a", "b"]),
        ([{"delta": {}, "message": {"content": "a", "reasoning": "Hm."}}], ["Hm.", "a"]),
        ([delta(content="a"), {"delta": {}, "message": {"content": "a"}}], ["a"]),
        ([{"delta": {"role": "assistant"}, "text": "a"}], ["a"]),
        ([{"index": None, "delta": {"content": "a"}, "finish_reason": ""}], ["a"]),
    ],
)
def test_texts_in_odd_places(choices: list[dict[str, Any]], texts: list[str]) -> None:
    *found, end = events(*choices, STOP)
    assert end == finish("stop")
    kinds = [ReasoningDelta if text == "Hm." else TextDelta for text in texts]
    assert found == [kind(text=text) for kind, text in zip(kinds, texts, strict=True)]


def test_a_content_that_is_no_text() -> None:
    with pytest.raises(MalformedAnswer):
        events(delta(content=5), STOP)


def test_an_end_without_a_reason() -> None:
    """As `[DONE]` and whole answers are."""
    answer = AnswerEvents(GenerateRequest(prompt=CHAT))
    chunk = {"choices": [call(0, id="a", name="f", arguments="{}")]}
    found = [*answer.read(msgspec.convert(chunk, Chunk))]
    answer.done()
    assert [*found, *answer.end()][-1] == finish("tool_calls")


@pytest.mark.parametrize(
    ("fields", "stop"),
    [
        ({"stop_reason": "END"}, "END"),
        ({"matched_stop": "END"}, "END"),
        ({"stop_reason": 2}, None),
        ({"stop_reason": "unasked"}, None),
        ({}, None),
    ],
)
def test_the_stop_string_if_the_upstream_reports_it(
    fields: dict[str, Any], stop: str | None
) -> None:
    last = events(delta(content="Good") | STOP | fields, stop=("END", "."))[-1]
    assert isinstance(last, Finish)
    assert (last.reason, last.stop) == ("stop", stop)


def test_other_choices_and_refusals() -> None:
    other = delta(content="other") | {"index": 1, "finish_reason": "length"}
    assert events(delta(refusal="No."), other, STOP) == [TextDelta(text="No."), finish("stop")]
