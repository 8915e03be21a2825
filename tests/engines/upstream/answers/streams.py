"""What upstreams stream, read as events of the contract."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from openedai.contract.chat import Chat, Message
from openedai.contract.generate import Finish, GenerateEvent, GenerateRequest, Text, Usage
from openedai.engines.upstream.answers.generation import AnswerEvents, Chunk

CHAT = Chat(messages=(Message(role="user", content="hi"),))

ONE_CALL = Chat(messages=CHAT.messages, parallel_calls=False)

STOP = {"finish_reason": "stop"}


def events(
    *choices: dict[str, Any], usage: Any = None, prompt: Chat | Text = CHAT, **request: Any
) -> list[GenerateEvent]:
    """The events of an answer in chunks of one choice each."""
    answer = AnswerEvents(GenerateRequest(prompt=prompt, **request))
    chunks = [{"choices": [choice]} for choice in choices]
    found: list[GenerateEvent] = []
    for chunk in [*chunks, {"choices": [], "usage": usage}]:
        found += answer.read(msgspec.json.decode(json.dumps(chunk), type=Chunk))
    return [*found, *answer.end()]


def finish(reason: Any, **usage: int) -> Finish:
    return Finish(reason=reason, usage=Usage(**usage))


def delta(**fields: Any) -> dict[str, Any]:
    return {"index": 0, "delta": fields, "logprobs": None, "finish_reason": None}
