"""A deterministic fake of every capability, for tests, for measuring overhead, for trying clients.

It answers with the text it was given, a word a token, and embeds by hashing. Its options:

    reply      answer this text instead of the prompt
    reveal     answer with the GenerateRequest itself, as JSON
    repeat     say the answer that many times (1)
    context    context length in tokens (4096)
    slots      requests at once (64)
    dimensions length of the embeddings (8)
    delay      seconds before each token, and before an embedding (0)
    fail_after raise EngineFailed after that many tokens
    crash_after die after that many tokens, as a process would
    load_delay, load_error   be slow to load; fail to load, with this message
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import re
import struct
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any, Self

import msgspec

from openedai.engines.base import (
    Chat,
    Embedder,
    EmbedRequest,
    EmbedResult,
    Finish,
    GenerateEvent,
    GenerateRequest,
    Generator,
    Text,
    TextDelta,
    Tokens,
    Usage,
)
from openedai.errors import ContextLengthExceeded, EngineCrashed, EngineFailed, InvalidRequest

_WORD = re.compile(r"\s*\S+|\s+$")
_BREATH = 16  # tokens between two turns given to other tasks


class EchoOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reply: str | None = None
    reveal: bool = False
    repeat: int = 1
    context: int = 4096
    slots: int = 64
    dimensions: int = 8
    delay: float = 0.0
    fail_after: int | None = None
    crash_after: int | None = None
    load_delay: float = 0.0
    load_error: str | None = None


class Echo(Generator, Embedder):
    def __init__(self, model: str, options: EchoOptions) -> None:
        self.model = model
        self.options = options
        self.slots = options.slots
        self._dead = asyncio.Event()

    @classmethod
    async def load(cls, model: str, path: Path | None, options: Mapping[str, Any]) -> Self:
        known = msgspec.convert(dict(options), EchoOptions)
        await asyncio.sleep(known.load_delay)
        if known.load_error is not None:
            raise EngineFailed(known.load_error)
        return cls(model, known)

    def memory(self) -> int:
        return 1 << 20

    def alive(self) -> bool:
        return not self._dead.is_set()

    async def died(self) -> None:
        await self._dead.wait()

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[GenerateEvent, None]:
        prompt_tokens = _count(request.prompt)
        if prompt_tokens >= self.options.context:
            param = "messages" if isinstance(request.prompt, Chat) else "prompt"
            raise ContextLengthExceeded(self.options.context, prompt_tokens, param=param)
        words = _WORD.findall(self._answer(request))
        total = len(words) * self.options.repeat
        room = self.options.context - prompt_tokens
        limit = room if request.max_tokens is None else min(request.max_tokens, room)
        for number in range(min(total, limit)):
            if self.options.delay:
                await asyncio.sleep(self.options.delay)
            elif number % _BREATH == _BREATH - 1:
                await asyncio.sleep(0)
            self._break_at(number)
            yield TextDelta(text=words[number % len(words)])
        self._break_at(min(total, limit))
        yield Finish(
            reason="length" if total > limit else "stop",
            usage=Usage(prompt_tokens=prompt_tokens, completion_tokens=min(total, limit)),
        )

    async def embed(self, request: EmbedRequest) -> EmbedResult:
        size = request.dimensions or self.options.dimensions
        if size > self.options.dimensions:
            raise InvalidRequest(
                f"Invalid value for 'dimensions': at most {self.options.dimensions}.",
                code="invalid_value",
                param="dimensions",
            )
        if self.options.delay:
            await asyncio.sleep(self.options.delay)
        self._break_at(0)
        rows = [_vector(item, self.options.dimensions)[:size] for item in request.inputs]
        return EmbedResult(
            data=b"".join(struct.pack(f"<{size}f", *_normalised(row)) for row in rows),
            dimensions=size,
            prompt_tokens=sum(_count(item) for item in request.inputs),
        )

    def _answer(self, request: GenerateRequest) -> str:
        if self.options.reveal:
            return msgspec.json.encode(request).decode()
        reply = self.options.reply
        text = _text(request.prompt) if reply is None else reply
        ends = [text.find(stop) for stop in request.stop if stop in text]
        return text[: min(ends)] if ends else text

    def _break_at(self, number: int) -> None:
        if number == self.options.crash_after:
            self._dead.set()
        if self._dead.is_set():
            raise EngineCrashed(self.model)
        if number == self.options.fail_after:
            raise EngineFailed("The echo engine was told to fail.")


def _text(prompt: Chat | Text | Tokens) -> str:
    if isinstance(prompt, Chat):
        return prompt.messages[-1].content if prompt.messages else ""
    if isinstance(prompt, Tokens):
        return " ".join(map(str, prompt.ids))
    return prompt.text


def _count(prompt: Chat | Text | Tokens) -> int:
    if isinstance(prompt, Chat):
        return sum(1 + len(_WORD.findall(message.content)) for message in prompt.messages)
    return len(prompt.ids) if isinstance(prompt, Tokens) else len(_WORD.findall(prompt.text))


def _vector(item: Text | Tokens, size: int) -> list[float]:
    digest = hashlib.shake_256(_text(item).encode("utf-8", "replace")).digest(4 * size)
    return [number / 2**31 - 1.0 for number in struct.unpack(f"<{size}I", digest)]


def _normalised(row: list[float]) -> list[float]:
    length = math.sqrt(sum(x * x for x in row)) or 1.0
    return [x / length for x in row]
