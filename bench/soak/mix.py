"""A random mix of requests, reproducible by its seed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from bench.load.prompts import document

CHAT, COMPLETIONS = "/chat/completions", "/completions"
REQUEST_TIMEOUT = 900.0
STREAM = {"stream": True, "stream_options": {"include_usage": True}}

SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "green", "blue"]}, "old": {"type": "boolean"}},
    "required": ["colour", "old"],
    "additionalProperties": False,
}
# Fits the schema, so that an engine that echoes the prompt does too.
EXAMPLE = '{"colour": "green", "old": true}'
NAME = "paint"
TOOL = {"type": "function", "function": {"name": NAME, "parameters": SCHEMA}}


@dataclass(frozen=True)
class Refusal:
    """The expected error of an invalid request."""

    status: int
    code: str | None


@dataclass(frozen=True)
class Request:
    """One request, and the behaviour of its client.

    `parameters` are those of `body`, if it is valid JSON. The client disconnects after `patience`
    seconds, or after `max_chunks` chunks of the answer, and waits `pause` seconds after each chunk.
    """

    kind: str
    path: str
    parameters: Mapping[str, Any]
    body: bytes
    refusal: Refusal | None = None
    patience: float = REQUEST_TIMEOUT
    max_chunks: int | None = None
    pause: float = 0.0

    @property
    def disconnects_early(self) -> bool:
        return self.patience < REQUEST_TIMEOUT


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
TRUNCATED_JSON = b'{"model": "x", "messages": [{'
INVALID: dict[str, tuple[dict[str, Any], Refusal]] = {
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

    `tokens` and `words` are the most of an answer and of a usual prompt. Clients that disconnect
    early do so within `max_patience` seconds, and send `long_words` words, to be in prefill then.
    """

    model: str
    context: int
    tokens: int = 24
    words: int = 60
    long_words: int = 600
    max_patience: float = 4.0

    def draw(self, random: Random) -> Request:
        makers: dict[Callable[[Random], Request], int] = {
            self._chat: 10,
            self._completion: 3,
            self._disconnect_early: 3,
            self._disconnect_late: 3,
            self._slow_reader: 1,
            self._invalid: 3,
            self._too_long: 1,
            self._malformed_json: 1,
        }
        (make,) = random.choices(list(makers), list(makers.values()))
        return make(random)

    def one_of_each_chat(self) -> Iterator[Request]:
        """A short chat of each kind, answered whole."""
        for kind, more in CHATS.items():
            yield request(kind, CHAT, self.chat(Random(kind), 4, **more))

    def chat(self, random: Random, words: int, **more: Any) -> dict[str, Any]:
        """The body of a chat request with a prompt of this many words."""
        messages = [{"role": "user", "content": document(str(random.random()), words)}]
        parameters = {"model": self.model, "messages": messages, "max_tokens": self.tokens}
        return {**parameters, **more}

    def _chat(self, random: Random) -> Request:
        kind = random.choice(list(CHATS))
        parameters = self.chat(
            random, self._word_count(random), **CHATS[kind], **_maybe_streamed(random)
        )
        return request(kind, CHAT, parameters)

    def _completion(self, random: Random) -> Request:
        prompt = document(str(random.random()), self._word_count(random))
        parameters = {"model": self.model, "prompt": prompt, "max_tokens": self.tokens}
        logprobs = {"logprobs": 2} if random.random() < 0.3 else {}
        return request(
            "completion", COMPLETIONS, {**parameters, **logprobs, **_maybe_streamed(random)}
        )

    def _disconnect_early(self, random: Random) -> Request:
        parameters = self.chat(random, self.long_words, **_maybe_streamed(random))
        return request(
            "leaves early", CHAT, parameters, patience=random.uniform(0, self.max_patience)
        )

    def _disconnect_late(self, random: Random) -> Request:
        more = {**STREAM, "max_tokens": 4 * self.tokens}
        parameters = self.chat(random, self._word_count(random), **more)
        return request("leaves in the stream", CHAT, parameters, max_chunks=random.randint(1, 3))

    def _slow_reader(self, random: Random) -> Request:
        more = {"logprobs": True, "top_logprobs": 20, **STREAM}
        parameters = self.chat(random, self._word_count(random), **more)
        return request("reads slowly", CHAT, parameters, pause=0.1)

    def _invalid(self, random: Random) -> Request:
        kind = random.choice(list(INVALID))
        more, refusal = INVALID[kind]
        parameters = self.chat(random, 6, **{**_maybe_streamed(random), **more})
        return request(kind, CHAT, parameters, refusal=refusal)

    def _too_long(self, random: Random) -> Request:
        parameters = self.chat(random, 2 * self.context, **_maybe_streamed(random))
        return request("too long", CHAT, parameters, refusal=TOO_LONG)

    def _malformed_json(self, random: Random) -> Request:
        return Request("malformed JSON", CHAT, {}, TRUNCATED_JSON, refusal=MALFORMED_JSON)

    def _word_count(self, random: Random) -> int:
        return random.randint(min(3, self.words), self.words)


def request(kind: str, path: str, parameters: Mapping[str, Any], **behaviour: Any) -> Request:
    return Request(kind, path, parameters, json.dumps(parameters).encode(), **behaviour)


def _maybe_streamed(random: Random) -> dict[str, Any]:
    return STREAM if random.random() < 0.5 else {}
