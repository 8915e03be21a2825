"""Compaction of conversations. The echo engine summarises by repeating what it was asked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import OpenAI

from openedai.api.openai.responses.input.conversation import COMPACTION_PREFIX
from openedai.api.parameters.chats.packed import unpack
from tests.api.openai.responses.answers import refusal, respond
from tests.support import wait_until

ITEMS: Any = [
    {"role": "developer", "content": "Be kind."},
    {"role": "user", "content": "My name is Ann."},
    {"role": "assistant", "content": "Hello Ann."},
    {"role": "user", "content": "What is my name?"},
]


def sealed(item: Any) -> str:
    text = unpack(COMPACTION_PREFIX, item["encrypted_content"])
    assert text is not None
    return text


def messages(client: OpenAI, **body: Any) -> list[dict[str, Any]]:
    """What the engine got, of an answer that is the request."""
    response = client.responses.create(model="reveal", **body)
    found = json.loads(response.output_text)["prompt"]["messages"]
    assert isinstance(found, list)
    return found


def test_compact(client: OpenAI) -> None:
    compacted = client.responses.compact(model="echo", input=ITEMS)
    assert compacted.object == "response.compaction"
    output: Any = compacted.to_dict()["output"]
    item = output[0]
    text = sealed(item)
    assert "Summarise our conversation" in text
    assert "My name is Ann." in text
    assert "What is my name?" in text
    assert compacted.usage.output_tokens > 0
    after: Any = [*ITEMS, item, {"role": "user", "content": "And now?"}]
    assert messages(client, input=after) == [
        {"role": "system", "content": f"Be kind.\n\n{text}"},
        {"role": "user", "content": "And now?"},
    ]


@pytest.mark.parametrize("stream", [False, True])
def test_a_long_conversation_is_compacted(client: OpenAI, stream: bool) -> None:
    management: Any = [{"type": "compaction", "compact_threshold": 5}]
    response = respond(client, stream, input=ITEMS, context_management=management)
    compaction, message = response.output
    assert (compaction.type, message.type) == ("compaction", "message")
    assert response.output_text == "What is my name?"
    output: Any = [item.to_dict() for item in response.output]
    after = messages(client, input=[*ITEMS, *output, {"role": "user", "content": "Bye."}])
    assert [one["content"] for one in after] == [
        f"Be kind.\n\n{sealed(output[0])}",
        "What is my name?",
        "Bye.",
    ]


def test_a_short_one_is_not(client: OpenAI) -> None:
    for given, items in [(1000, ITEMS), (1, ITEMS[1:2])]:
        management: Any = [{"type": "compaction", "compact_threshold": given}]
        response = respond(client, False, input=items, context_management=management)
        assert [item.type for item in response.output] == ["message"]


def test_what_cannot_be_compacted(client: OpenAI) -> None:
    assert refusal(client, context_management=[{"type": "compaction"}]) == (
        "missing_required_parameter",
        "context_management[0].compact_threshold",
    )
    foreign = {"type": "compaction", "encrypted_content": "gAAAA"}
    assert refusal(client, input=[foreign]) == ("invalid_value", "input[0].encrypted_content")


TRIGGER = {"type": "compaction_trigger"}


@pytest.mark.parametrize("stream", [False, True])
def test_a_trigger_compacts_and_answers_nothing(client: OpenAI, stream: bool) -> None:
    response = respond(client, stream, input=[*ITEMS, TRIGGER])
    (item,) = response.output
    assert (response.status, item.type) == ("completed", "compaction")
    assert "My name is Ann." in sealed(item.to_dict())
    assert response.usage is not None
    assert response.usage.output_tokens > 0
    after = messages(client, previous_response_id=response.id, input="And now?")
    assert [one["content"] for one in after] == [
        f"Be kind.\n\n{sealed(item.to_dict())}",
        "And now?",
    ]
    kept = client.responses.input_items.list(response.id).data
    assert [one.type for one in kept] == ["message"] * 4


def test_a_trigger_on_what_came_before(client: OpenAI) -> None:
    first = respond(client, False, input="My name is Ann.")
    response = respond(client, True, input=[TRIGGER], previous_response_id=first.id)
    (item,) = response.output
    assert "My name is Ann." in sealed(item.to_dict())


def test_a_trigger_in_the_background(client: OpenAI) -> None:
    body: Any = {"model": "echo", "input": [*ITEMS, TRIGGER], "background": True}
    response = client.responses.create(**body)
    wait_until(lambda: client.responses.retrieve(response.id).status == "completed")
    (item,) = client.responses.retrieve(response.id).output
    assert "My name is Ann." in sealed(item.to_dict())


def test_a_trigger_that_is_not_the_last_item(client: OpenAI) -> None:
    assert refusal(client, input=[ITEMS[1], TRIGGER, ITEMS[2]]) == ("invalid_value", "input[1]")
    assert refusal(client, input=[TRIGGER]) == ("invalid_value", "input")
