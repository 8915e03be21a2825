"""The base classes of engines, one for each capability; an engine inherits those that it has.

An engine serves one loaded model, and is independent of HTTP, of the names of models and of other
engines. Its methods raise `openedai.errors.APIError`s only.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from openedai.contract.adapter import Adapter
from openedai.contract.chat import Chat
from openedai.contract.decide import DecideRequest, DecideResult
from openedai.contract.embed import EmbedRequest, EmbedResult
from openedai.contract.generate import GenerateEvent, GenerateRequest
from openedai.contract.images import ImageEvent, ImageRequest
from openedai.contract.moderate import ModerateImagesRequest, ModerateRequest, ModerateResult
from openedai.contract.rerank import RerankRequest, RerankResult
from openedai.contract.speak import SpeakEvent, SpeakRequest, Voice
from openedai.contract.struct import Struct
from openedai.contract.transcribe import TranscribeEvent, TranscribeRequest


class Engine:
    """One loaded model.

    `slots` is the number of requests that it processes at once. Callers should queue any more.
    """

    slots: int = 1

    @classmethod
    async def load(cls, model: str, path: Path | None, options: Mapping[str, Any]) -> Self:
        """Load the weights at `path`, a file or a folder; None for an engine without weights.

        `model` is the name of the model, for messages only. `options` are those of the engine, as
        configured for the model. Raises an APIError if the model cannot be loaded, and then leaves
        no process, file or memory behind.
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
        """Load a model with adapters. Engines that do not support them ignore them."""
        return await cls.load(model, path, options)

    async def add_adapter(self, adapter: Adapter) -> None:
        """Let requests name a further adapter as their variant. Does nothing if the model already
        has one with this name.

        Running requests are not affected. Raises an APIError for an adapter that cannot be used.
        Engines that do not support adapters ignore it.
        """

    def within_trace(self, headers: Callable[[], Mapping[str, str]]) -> Self:
        """The engine for one request; it sends these headers of the request's trace to other
        servers. It is not closed separately. Engines that call no other servers return themselves.
        """
        return self

    async def close(self) -> None:
        """Cancel all work and release all resources. May be called several times."""

    def memory(self) -> int:
        """The measured resident memory of this model now, in bytes; 0 if it is not known."""
        return 0

    def progress(self) -> int:
        """A number that changes whenever some of the work between two events is done.

        An engine in a worker counts as hung if, while it has calls, it neither changes this number
        nor sends an event for minutes.
        """
        return 0

    def alive(self) -> bool:
        """Whether the engine can work. False no later than the first request that fails because it
        cannot.
        """
        return True

    async def died(self) -> None:
        """Wait until the engine has died by itself."""
        await asyncio.Event().wait()


class Traits(Struct, frozen=True):
    """Properties of a model that follow from its options; None or empty if unspecified.

    `prompt_format` is a name of `openedai.prompts.prompt_formats`, `context` the most tokens of a
    prompt and its answer. `sampling` has the defaults for requests, by the names of `Sampling`.
    """

    supports_images: bool = False
    prompt_format: str | None = None
    context: int | None = None
    sampling: dict[str, float] = msgspec.field(default_factory=dict)


class Generator(Engine):
    """Generates text."""

    @classmethod
    def traits(cls, options: Mapping[str, Any]) -> Traits:
        """The properties of a model with these options. Does not load it."""
        return Traits()

    def generate(self, request: GenerateRequest) -> AsyncGenerator[GenerateEvent, None]:
        """Yield deltas, then exactly one Finish. Closing the generator cancels the work.

        Raises an APIError instead of the first event for a request that the model does not support,
        such as images or a longer prompt than its context, and at any time if the engine fails.
        """
        raise NotImplementedError


class Embedder(Engine):
    """Turns texts into vectors."""

    async def embed(self, request: EmbedRequest) -> EmbedResult:
        """One vector per input, in their order. Cancelling the call cancels the work.

        Raises an APIError if an input is too long or the engine fails.
        """
        raise NotImplementedError


class Reranker(Engine):
    """Scores how relevant documents are to a query."""

    async def rerank(self, request: RerankRequest) -> RerankResult:
        """One score per document, in their order. Cancelling the call cancels the work.

        Raises ContextLengthExceeded for the parameter `documents` if one does not fit and the
        request does not want it to be truncated.
        """
        raise NotImplementedError


class Decider(Engine):
    """Scores given answers to questions."""

    async def decide(self, request: DecideRequest) -> DecideResult:
        """Log probabilities for each question, in their order. Cancelling the call cancels the
        work.

        Raises an APIError if a question is too long or the engine fails.
        """
        raise NotImplementedError


class Moderator(Engine):
    """Scores texts by the categories of moderation."""

    async def moderate(self, request: ModerateRequest) -> ModerateResult:
        """The scores of each input, in their order. Cancelling the call cancels the work."""
        raise NotImplementedError


class ImageModerator(Engine):
    """Scores images by the categories of moderation."""

    async def moderate_images(self, request: ModerateImagesRequest) -> ModerateResult:
        """The scores of each image, in their order. Cancelling the call cancels the work.

        Raises InvalidRequest for the parameter `input` for an image that cannot be read.
        """
        raise NotImplementedError


class Tokenizer(Engine):
    """Converts between texts and ids of the model's own vocabulary."""

    async def tokenize(self, text: str, *, special: bool = False) -> tuple[int, ...]:
        """The token ids of a text. With `special` they include those that begin a prompt."""
        raise NotImplementedError

    async def detokenize(self, ids: Sequence[int]) -> str:
        """The text of the token ids. Raises InvalidRequest for an id outside the vocabulary."""
        raise NotImplementedError

    async def count(self, chat: Chat) -> int:
        """The number of tokens of the conversation as a prompt, tools included.

        Raises Unsupported for a conversation whose tokens cannot be counted.
        """
        raise NotImplementedError


class Transcriber(Engine):
    """Turns speech into text."""

    def transcribe(self, request: TranscribeRequest) -> AsyncGenerator[TranscribeEvent, None]:
        """Yield deltas and segments, then exactly one TranscriptFinish. Closing cancels the work.

        Raises an InvalidRequest for the parameter `file`, instead of the first event, for a file
        without audio that can be read; Unsupported for what the model cannot do.
        """
        raise NotImplementedError


class Speaker(Engine):
    """Turns text into speech."""

    def speak(self, request: SpeakRequest) -> AsyncGenerator[SpeakEvent, None]:
        """Yield the audio as it is made, then exactly one SpeakFinish. Closing cancels the work.

        Raises an InvalidRequest for the parameter `voice` if there is no such voice, Unsupported
        for what the model cannot do, instead of the first event.
        """
        raise NotImplementedError

    async def voices(self) -> tuple[Voice, ...]:
        """The voices of the model, the default one first."""
        raise NotImplementedError


class ImageMaker(Engine):
    """Makes images."""

    def make_images(self, request: ImageRequest) -> AsyncGenerator[ImageEvent, None]:
        """Yield previews and images, then exactly one ImagesFinish. Closing cancels the work.

        Raises Unsupported for what the model cannot do, instead of the first event.
        """
        raise NotImplementedError


class Directory(Engine):
    """Serves several models, each requested by its name as the `variant`."""

    async def models(self) -> tuple[str, ...]:
        """The names of the models that are available now. Raises an APIError if that fails."""
        raise NotImplementedError
