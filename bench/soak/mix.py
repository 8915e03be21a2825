"""What the clients ask: a random mix of requests, the same ones for the same seed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from bench.prompts import document

CHAT, COMPLETIONS = "/chat/completions", "/completions"
PATIENCE = 900.0
STREAM = {"stream": True, "stream_options": {"include_usage": True}}

SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "green", "blue"]}, "old": {"type": "boolean"}},
    "required": ["colour", "old"],
    "additionalProperties": False,
}
# An engine that gives the prompt back follows the schema too.
EXAMPLE = '{"colour": "green", "old": true}'
NAME = "paint"
TOOL = {"type": "function", "function": {"name": NAME, "parameters": SCHEMA}}


@dataclass(frozen=True)
class Refusal:
    """The error that a wrong request must get."""

    status: int
    code: str | None


@dataclass(frozen=True)
class Request:
    """One request, and how its client behaves.

    `asked` is what `body` says, as far as it can be read. The client leaves after `patience`
    seconds, or once it has read `pieces` of the answer, and rests `pause` seconds after each.
    """

    kind: str
    path: str
    asked: Mapping[str, Any]
    body: bytes
    refusal: Refusal | None = None
    patience: float = PATIENCE
    pieces: int | None = None
    pause: float = 0.0


CHATS: dict[str, dict[str, Any]] = {
    "chat": {},
    "n = 2": {"n": 2},
    "json_schema": {
        "messages": [{"role": "user", "content": EXAMPLE}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": NAME, "strict": True, "schema": SCHEMA},
        },
    },
    "tools required": {"tools": [TOOL], "tool_choice": "required"},
    "logprobs": {"logprobs": True, "top_logprobs": 3},
    "stop": {"stop": ["stone", "winter", ","]},
}
UNREADABLE = b'{"model": "x", "messages": [{'
WRONG: dict[str, tuple[dict[str, Any], Refusal]] = {
    "wrong type": ({"max_tokens": "many"}, Refusal(400, "invalid_type")),
    "out of range": ({"temperature": 3}, Refusal(400, "decimal_above_max_value")),
    "unknown parameter": ({"max_tokenz": 3}, Refusal(400, "unknown_parameter")),
    "unknown model": ({"model": "no-such-model"}, Refusal(404, "model_not_found")),
    "no messages": ({"messages": []}, Refusal(400, "array_below_min_length")),
    "bad schema": (
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "bad", "schema": {"type": "colour"}},
            }
        },
        Refusal(400, "invalid_json_schema"),
    ),
}
TOO_LONG = Refusal(400, "context_length_exceeded")
MALFORMED_JSON = Refusal(400, None)


@dataclass(frozen=True)
class Mix:
    """Requests for `model`, whose context is `context` tokens.

    `tokens` and `words` are the most of an answer and of a usual prompt. Who leaves before the
    answer begins does so within `hurry` seconds, and sends `long` words, to be in prefill.
    """

    model: str
    context: int
    tokens: int = 24
    words: int = 60
    long: int = 600
    hurry: float = 4.0

    def draw(self, random: Random) -> Request:
        makers: dict[Callable[[Random], Request], int] = {
            self._chat: 10,
            self._completion: 3,
            self._leaving_early: 3,
            self._leaving_late: 3,
            self._reading_slowly: 1,
            self._wrong: 3,
            self._too_long: 1,
            self._unreadable: 1,
        }
        (make,) = random.choices(list(makers), list(makers.values()))
        return make(random)

    def chat(self, random: Random, words: int, **more: Any) -> dict[str, Any]:
        """The body of a chat request with a prompt of so many words."""
        messages = [{"role": "user", "content": document(str(random.random()), words)}]
        asked = {"model": self.model, "messages": messages, "max_tokens": self.tokens}
        return {**asked, **more}

    def _chat(self, random: Random) -> Request:
        kind = random.choice(list(CHATS))
        asked = self.chat(random, self._some(random), **CHATS[kind], **_streamed(random))
        return request(kind, CHAT, asked)

    def _completion(self, random: Random) -> Request:
        prompt = document(str(random.random()), self._some(random))
        asked = {"model": self.model, "prompt": prompt, "max_tokens": self.tokens}
        logprobs = {"logprobs": 2} if random.random() < 0.3 else {}
        return request("completion", COMPLETIONS, {**asked, **logprobs, **_streamed(random)})

    def _leaving_early(self, random: Random) -> Request:
        asked = self.chat(random, self.long, **_streamed(random))
        return request("leaves early", CHAT, asked, patience=random.uniform(0, self.hurry))

    def _leaving_late(self, random: Random) -> Request:
        more = {**STREAM, "max_tokens": 4 * self.tokens}
        asked = self.chat(random, self._some(random), **more)
        return request("leaves in the stream", CHAT, asked, pieces=random.randint(1, 3))

    def _reading_slowly(self, random: Random) -> Request:
        more = {"logprobs": True, "top_logprobs": 20, **STREAM}
        asked = self.chat(random, self._some(random), **more)
        return request("reads slowly", CHAT, asked, pause=0.1)

    def _wrong(self, random: Random) -> Request:
        kind = random.choice(list(WRONG))
        more, refusal = WRONG[kind]
        asked = self.chat(random, 6, **{**_streamed(random), **more})
        return request(kind, CHAT, asked, refusal=refusal)

    def _too_long(self, random: Random) -> Request:
        asked = self.chat(random, 2 * self.context, **_streamed(random))
        return request("too long", CHAT, asked, refusal=TOO_LONG)

    def _unreadable(self, random: Random) -> Request:
        return Request("malformed JSON", CHAT, {}, UNREADABLE, refusal=MALFORMED_JSON)

    def _some(self, random: Random) -> int:
        return random.randint(min(3, self.words), self.words)


def request(kind: str, path: str, asked: Mapping[str, Any], **behaviour: Any) -> Request:
    return Request(kind, path, asked, json.dumps(asked).encode(), **behaviour)


def _streamed(random: Random) -> dict[str, Any]:
    return STREAM if random.random() < 0.5 else {}
