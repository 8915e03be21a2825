"""Events folded to outcomes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from openedai.contract.chat import ToolCall
from openedai.contract.generate import (
    Finish,
    GenerateEvent,
    ReasoningDelta,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)
from openedai.errors import EngineFailed
from openedai.serving.outcome import Indexed, Outcome, fold, total_usage


def outcome_of(*events: GenerateEvent) -> Outcome:
    outcome = Outcome()
    for event in events:
        outcome.add(event)
    return outcome


def finish(prompt: int, completion: int, *, cached: int = 0, reasoning: int = 0) -> Finish:
    usage = Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_tokens=cached,
        reasoning_tokens=reasoning,
    )
    return Finish(reason="stop", usage=usage)


def test_sections_are_in_the_order_of_their_events() -> None:
    outcome = outcome_of(
        ReasoningDelta(text="Hm"),
        ReasoningDelta(text="."),
        TextDelta(text="So"),
        ToolCallDelta(index=0, id="c", name="f", arguments="{}"),
        TextDelta(text=": "),
        TextDelta(text="yes"),
    )
    assert [(section.type, section.deltas) for section in outcome.sections] == [
        ("reasoning", ["Hm", "."]),
        ("text", ["So"]),
        ("tool_call", ["{}"]),
        ("text", [": ", "yes"]),
    ]
    assert (outcome.text, outcome.reasoning) == ("So: yes", "Hm.")
    assert outcome.text_deltas == ["So", ": ", "yes"]


def test_the_deltas_of_calls_are_joined_by_index() -> None:
    outcome = outcome_of(
        ToolCallDelta(index=0, id="a", name="f", arguments=""),
        ToolCallDelta(index=1, id="b", name="g", arguments='{"x'),
        ToolCallDelta(index=0, arguments="{}"),
        ToolCallDelta(index=1, arguments='": 1}'),
    )
    assert outcome.tool_calls == [
        ToolCall(id="a", name="f", arguments="{}"),
        ToolCall(id="b", name="g", arguments='{"x": 1}'),
    ]
    assert [section.name for section in outcome.sections] == ["f", "g"]


def test_log_probabilities_are_those_of_all_texts() -> None:
    tokens = [TokenLogprob(token=token, logprob=-1.0, raw=b"") for token in ("a", "b", "c")]
    outcome = outcome_of(
        TextDelta(text="ab", logprobs=tuple(tokens[:2])), TextDelta(text="c", logprobs=(tokens[2],))
    )
    assert outcome.logprobs == tokens


def test_an_outcome_without_a_finish() -> None:
    outcome = outcome_of(TextDelta(text="a"))
    with pytest.raises(EngineFailed, match="without saying why"):
        _ = outcome.finish
    end = finish(1, 1)
    outcome.add(end)
    assert outcome.finish == end


def test_events_of_several_generations_are_folded_by_index() -> None:
    closed: list[bool] = []

    async def events() -> AsyncGenerator[Indexed, None]:
        try:
            yield 1, TextDelta(text="b")
            yield 0, TextDelta(text="a")
            yield 1, TextDelta(text="B")
        finally:
            closed.append(True)

    outcomes = asyncio.run(fold(events(), 3))
    assert [outcome.text for outcome in outcomes] == ["a", "bB", ""]
    assert closed == [True]


def test_the_usage_counts_a_prompt_once_for_all_its_choices() -> None:
    """Two prompts with two choices each."""
    finishes = [
        finish(10, 1, cached=4, reasoning=1),
        finish(10, 2, cached=9),
        finish(20, 3),
        finish(20, 4, cached=19, reasoning=2),
    ]
    assert total_usage(finishes, 2) == Usage(
        prompt_tokens=30, cached_tokens=4, completion_tokens=10, reasoning_tokens=3
    )
