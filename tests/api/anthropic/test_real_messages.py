"""Anthropic's messages by a built-in model, where only a model shows that it is right."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic import Anthropic

from tests.api.anthropic.messages import create_message
from tests.support import Running

pytestmark = pytest.mark.real
SMOLLM = "smollm2-135m-instruct"
both = pytest.mark.parametrize("stream", [False, True])


@pytest.fixture
def client(real_server: Running) -> Anthropic:
    return real_server.anthropic_client(timeout=300)


@both
def test_answer(client: Anthropic, stream: bool) -> None:
    body: dict[str, Any] = {"model": SMOLLM, "messages": "Count to five.", "max_tokens": 12}
    answer = create_message(client, stream, extra_body={"temperature": 0}, **body)
    (block,) = answer.content
    assert block.type == "text"
    usage = answer.usage
    assert usage.input_tokens + (usage.cache_read_input_tokens or 0) > 5
    assert 0 < usage.output_tokens <= 12
    stop = block.text.split()[1]
    body["stop_sequences"] = ["\n\n\n\n", stop]
    cut = create_message(client, stream, extra_body={"temperature": 0}, **body)
    assert (cut.stop_reason, cut.stop_sequence) == ("stop_sequence", stop)


@both
def test_a_required_call(client: Anthropic, stream: bool) -> None:
    """The schema is followed, whatever the model would have liked to say."""
    schema = {
        "type": "object",
        "properties": {"city": {"enum": ["Paris", "Rome"]}, "days": {"type": "integer"}},
        "required": ["city", "days"],
        "additionalProperties": False,
    }
    tools = [{"name": "get_weather", "input_schema": schema, "strict": True}]
    answer = create_message(
        client,
        stream,
        model=SMOLLM,
        messages="What is the weather in Rome?",
        max_tokens=100,
        tools=tools,
        tool_choice={"type": "tool", "name": "get_weather"},
    )
    assert answer.stop_reason == "tool_use"
    (block,) = answer.content
    assert block.type == "tool_use"
    assert block.input["city"] in ("Paris", "Rome")
    assert isinstance(block.input["days"], int)


def test_the_count_is_what_the_answer_says(client: Anthropic) -> None:
    conversation: Any = {
        "model": SMOLLM,
        "system": "You are brief.",
        "messages": [{"role": "user", "content": "What is a naïve question? 🙂"}],
        "tools": [{"name": "look_up", "input_schema": {"type": "object", "properties": {}}}],
    }
    count = client.messages.count_tokens(**conversation)
    usage = client.messages.create(max_tokens=1, **conversation).usage
    assert count.input_tokens == usage.input_tokens + (usage.cache_read_input_tokens or 0) > 10
