"""Compaction by the default model: conversations become shorter, and go on."""

from __future__ import annotations

from typing import Any

import pytest
from openai import OpenAI

from openedai.api.openai.responses.input.conversation import COMPACTION_PREFIX
from openedai.api.parameters.chats.packed import unpack
from tests.api.openai.responses.answers import respond

pytestmark = pytest.mark.real

MODEL = "smollm2-135m-instruct"
TURNS = [
    (
        "My dog is called Rex and he is four years old.",
        "Rex sounds lovely. Four is a good age for a dog: old enough to be calm.",
    ),
    (
        "We live in Lyon, near the river, in a house with a red door.",
        "Lyon is a beautiful city with two rivers, the Rhone and the Saone, and a long history.",
    ),
    (
        "I want to plan a trip to the mountains in May with three friends.",
        "May is a good month for the mountains. There may be snow, so take warm clothes and boots.",
    ),
    (
        "The budget is 600 euros for everyone, trains included.",
        "That is 150 euros each, which is enough for the trains and for two nights in a hut.",
    ),
]
ITEMS: list[Any] = [
    {"role": role, "content": text if role == "user" else f"{text} {text} {text}"}
    for turn in TURNS
    for role, text in zip(("user", "assistant"), turn, strict=True)
]
QUESTION: Any = {"role": "user", "content": "Where should we go?"}


def tokens(client: OpenAI, items: list[Any]) -> int:
    return client.responses.input_tokens.count(model=MODEL, input=items).input_tokens


def summary(item: Any) -> str:
    text = unpack(COMPACTION_PREFIX, item.encrypted_content)
    assert text is not None
    before, last = text.split("\n\nThe user's last messages:\n")
    assert TURNS[-1][0] in last
    return before.removeprefix("A summary of the conversation so far:\n")


def test_a_conversation_becomes_shorter_and_goes_on(real_client: OpenAI) -> None:
    compacted = real_client.responses.compact(model=MODEL, input=ITEMS)
    (item,) = compacted.output
    assert item.type == "compaction"
    assert len(summary(item)) > 20
    assert 0 < compacted.usage.output_tokens < tokens(real_client, ITEMS) / 3
    after: list[Any] = [item.to_dict(), QUESTION]
    assert tokens(real_client, after) < 0.6 * tokens(real_client, [*ITEMS, QUESTION])
    answer = respond(real_client, True, model=MODEL, input=after, max_output_tokens=8)
    assert answer.output_text.strip()
    assert answer.usage is not None
    assert answer.usage.input_tokens == tokens(real_client, after)


def test_a_chain_of_responses_stays_short(real_client: OpenAI) -> None:
    """Automatically, from 110 tokens on: whenever it is too long it becomes shorter."""
    threshold, id, inputs, compacted = 110, None, [], 0
    for question, _ in TURNS:
        response = respond(
            real_client,
            False,
            model=MODEL,
            input=question,
            previous_response_id=id,
            max_output_tokens=20,
            context_management=[{"type": "compaction", "compact_threshold": threshold}],
        )
        types = [item.type for item in response.output]
        assert types[-1] == "message"
        assert response.usage is not None
        compacted += types[0] == "compaction"
        inputs.append(response.usage.input_tokens)
        id = response.id
    assert compacted >= 1
    assert max(inputs) <= 2 * threshold
