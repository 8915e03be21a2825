"""The contract of every engine: capabilities, requests, events.

An engine knows one loaded model and nothing of HTTP, of model names or of other engines.
It inherits a base class for each ability it has. Its failures are `openedai.errors.APIError`s.
Everything that crosses the contract is a frozen msgspec struct, so that it also crosses a socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any, Literal, Self

import msgspec


class Struct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A value of the contract."""


class Message(Struct, frozen=True):
    """One turn of a conversation. `content` is plain text."""

    role: str
    content: str
    name: str | None = None


class Chat(Struct, frozen=True, tag="chat"):
    """A conversation; the engine renders it with the model's own chat template."""

    messages: tuple[Message, ...]


class Text(Struct, frozen=True, tag="text"):
    """A raw prompt, to be tokenised by the engine."""

    text: str


class Tokens(Struct, frozen=True, tag="tokens"):
    """A raw prompt as token ids of the model's own vocabulary."""

    ids: tuple[int, ...]


class Sampling(Struct, frozen=True):
    """How the next token is drawn. None leaves a value to the model's configured defaults."""

    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    seed: int | None = None


class GenerateRequest(Struct, frozen=True):
    """`max_tokens` None means: until the model ends or its context is full."""

    prompt: Chat | Text | Tokens
    sampling: Sampling = Sampling()
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()


class Usage(Struct, frozen=True):
    """Exact token counts. `cached_tokens` of the prompt were not computed again."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


class TextDelta(Struct, frozen=True, tag="text"):
    """A piece of the answer; never empty, always whole characters."""

    text: str


class Finish(Struct, frozen=True, tag="finish"):
    """The last event, always: why the generation ended and what it took."""

    reason: Literal["stop", "length"]
    usage: Usage


GenerateEvent = TextDelta | Finish


class EmbedRequest(Struct, frozen=True):
    """`dimensions` asks for shorter vectors: cut, then normalised again."""

    inputs: tuple[Text | Tokens, ...]
    dimensions: int | None = None


class EmbedResult(Struct, frozen=True):
    """`data` holds the vectors one after the other: little-endian float32, one row an input."""

    data: bytes
    dimensions: int
    prompt_tokens: int


class Engine:
    """One loaded model.

    `slots` is how many requests it works on at once; more are better queued outside.
    """

    slots: int = 1

    @classmethod
    async def load(cls, model: str, path: Path | None, options: Mapping[str, Any]) -> Self:
        """Load the weights at `path` (a file or a folder). `model` is for messages only.

        Raises an APIError, and leaves nothing behind, if that fails.
        """
        raise NotImplementedError

    async def close(self) -> None:
        """End all work and give everything back. Safe to call twice."""

    def memory(self) -> int:
        """Bytes of resident memory that this model takes now, measured."""
        return 0

    def alive(self) -> bool:
        """False from the moment a request can have failed because the engine is gone."""
        return True

    async def died(self) -> None:
        """Return when the engine is gone by itself; until then, wait."""
        await asyncio.Event().wait()


class Generator(Engine):
    def generate(self, request: GenerateRequest) -> AsyncGenerator[GenerateEvent, None]:
        """Yield deltas, then one Finish. Closing the iterator cancels the work."""
        raise NotImplementedError


class Embedder(Engine):
    async def embed(self, request: EmbedRequest) -> EmbedResult:
        """Embed every input. Cancelling the call cancels the work."""
        raise NotImplementedError
