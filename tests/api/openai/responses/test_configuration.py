"""Items that change the settings of a conversation, and the options of the background."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import OpenAI

from tests.api.openai.responses.answers import refusal, respond

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
FORMAT = {"type": "json_schema", "name": "s", "schema": SCHEMA}
NO_REASONING = {"type": "configuration_update", "reasoning": {"effort": "none"}}
AS_JSON = {"type": "configuration_update", "text": {"format": FORMAT}}
AS_TEXT = {"type": "configuration_update", "text": {"format": {"type": "text"}}}
HELLO = {"role": "user", "content": "hi"}


def revealed(client: OpenAI, **body: Any) -> Any:
    """The engine's request, and the response whose text it is."""
    response = respond(client, False, model="reveal", **body)
    return json.loads(response.output_text), response


@pytest.mark.parametrize("stream", [False, True])
def test_settings_hold_until_the_next_update(client: OpenAI, stream: bool) -> None:
    request, response = revealed(client, input=[NO_REASONING, AS_JSON, HELLO])
    assert request["prompt"]["reasoning_effort"] == "none"
    assert [one["content"] for one in request["prompt"]["messages"]] == ["hi"]
    assert request["constraint"]["schema"] == SCHEMA
    assert response.text.format.type == "json_schema"
    assert response.reasoning.effort == "none"
    request, later = revealed(client, input="and now?", previous_response_id=response.id)
    assert request["prompt"]["reasoning_effort"] == "none"
    assert request["constraint"]["schema"] == SCHEMA
    request, _ = revealed(client, input=[AS_TEXT, HELLO], previous_response_id=later.id)
    assert "constraint" not in request
    kept = client.responses.input_items.list(response.id, order="asc").data
    assert [one.type for one in kept] == ["configuration_update"] * 2 + ["message"]


def test_what_the_request_says_comes_first(client: OpenAI) -> None:
    own = {"format": {"type": "json_object"}}
    request, response = revealed(client, input=[AS_JSON, HELLO], text=own)
    assert request["constraint"] == {"type": "json_object"}
    assert response.text.format.type == "json_object"


def test_in_a_conversation(client: OpenAI) -> None:
    items: Any = [AS_JSON]
    conversation = client.conversations.create(items=items)
    request, _ = revealed(client, input="hi", conversation=conversation.id)
    assert request["constraint"]["schema"] == SCHEMA
    (kept, *_) = client.conversations.items.list(conversation.id, order="asc").data
    assert kept.type == "configuration_update"


def test_updates_that_are_not_valid(client: OpenAI) -> None:
    wrong = {"type": "configuration_update", "text": {"format": {"type": "json_schema"}}}
    code, param = refusal(client, input=[HELLO, wrong])
    assert (code, param) == ("missing_required_parameter", "input[1].text.format.name")
    known = {"type": "configuration_update", "reasoning": {"effort": "x"}}
    assert refusal(client, input=[known])[1] == "input[0].reasoning.effort"


def test_a_window_needs_the_background(client: OpenAI) -> None:
    param = "background_options.completion_window"
    for options in ({"completion_window": "2h"}, {"completion_window": "8h"}):
        assert refusal(client, background_options=options) == ("invalid_value", param)
    known: Any = {"completion_window": "8h", "continuation_id": "night"}
    response = client.responses.create(
        model="echo", input="hi", background=True, background_options=known
    )
    assert response.background
