"""What an engine is: a base class for each ability, of which it inherits those it has.

An engine knows one loaded model and nothing of HTTP, of model names or of other engines. Its
failures are `openedai.errors.APIError`s.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from openedai.contract.adapter import Adapter
from openedai.contract.chat import Chat
from openedai.contract.embed import EmbedRequest, EmbedResult
from openedai.contract.generate import GenerateEvent, GenerateRequest


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

    @classmethod
    async def load_with_adapters(
        cls,
        model: str,
        path: Path | None,
        options: Mapping[str, Any],
        adapters: Sequence[Adapter],
    ) -> Self:
        """The same for a model with adapters, which engines that do not support them ignore."""
        return await cls.load(model, path, options)

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
    @classmethod
    def supports_images(cls, options: Mapping[str, Any]) -> bool:
        """Whether a model with these options takes images. Known without loading it."""
        return False

    def generate(self, request: GenerateRequest) -> AsyncGenerator[GenerateEvent, None]:
        """Yield deltas, then one Finish. Closing the iterator cancels the work.

        A model that does not see refuses images before the first event.
        """
        raise NotImplementedError


class Embedder(Engine):
    async def embed(self, request: EmbedRequest) -> EmbedResult:
        """Embed every input. Cancelling the call cancels the work."""
        raise NotImplementedError


class Tokenizer(Engine):
    """The model's own vocabulary."""

    async def tokenize(self, text: str, *, special: bool = False) -> tuple[int, ...]:
        """The ids of a text. With `special` they begin as a prompt begins."""
        raise NotImplementedError

    async def detokenize(self, ids: Sequence[int]) -> str:
        """The text of the ids. Raises InvalidRequest for one that the vocabulary has not."""
        raise NotImplementedError

    async def count(self, chat: Chat) -> int:
        """How many tokens the conversation takes as a prompt, tools included."""
        raise NotImplementedError


class Directory(Engine):
    """Several models behind one engine, each asked for by its name as the `variant`."""

    async def models(self) -> tuple[str, ...]:
        """Their names now."""
        raise NotImplementedError
