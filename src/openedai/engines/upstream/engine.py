"""Models of another server that speaks the OpenAI API, or of several equal ones.

    engine       requests of the contract: which replica, and which next if it fails
    *request     a request as the JSON or form that the server takes (servers)
    connection   streams from one replica
    *answer      one replica's answer as events of the contract
    answers/     what the replica's answers mean

`openedai.engines.remote` has the rest: HTTP, replicas, and what refusals and failures mean.

A request goes to another replica only as long as nothing of its answer was passed on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from copy import copy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from openedai.contract.embed import EmbedRequest, EmbedResult
from openedai.contract.engine import (
    Directory,
    Embedder,
    Generator,
    ImageMaker,
    ImageModerator,
    Moderator,
    Reranker,
    Speaker,
    Traits,
    Transcriber,
)
from openedai.contract.generate import GenerateEvent, GenerateRequest, Regex
from openedai.contract.images import ImageEvent, ImageRequest
from openedai.contract.moderate import ModerateImagesRequest, ModerateRequest, ModerateResult
from openedai.contract.rerank import RerankRequest, RerankResult
from openedai.contract.speak import SpeakEvent, SpeakRequest, Voice
from openedai.contract.transcribe import TranscribeEvent, TranscribeRequest
from openedai.engines.remote.affinity import Prefix, prefixes
from openedai.engines.remote.attempts import Attempts
from openedai.engines.remote.connection import RemoteRequest, Timeout, make_session
from openedai.engines.remote.failures import Failures, ReplicaFailed
from openedai.engines.remote.health import HealthChecks
from openedai.engines.remote.replicas import Replica, Replicas
from openedai.engines.speech.voices import OFFICIAL
from openedai.engines.upstream.answers.embeddings import read_embeddings
from openedai.engines.upstream.answers.generation import AnswerEvents, Chunk
from openedai.engines.upstream.answers.models import read_names
from openedai.engines.upstream.answers.speech import read_voices
from openedai.engines.upstream.audio_answer import speech, transcript
from openedai.engines.upstream.audio_request import speech_request, transcription_request
from openedai.engines.upstream.connection import Streams
from openedai.engines.upstream.image_answer import images
from openedai.engines.upstream.image_request import image_request
from openedai.engines.upstream.moderation import (
    image_moderation_request,
    moderation_request,
    read_moderation,
)
from openedai.engines.upstream.options import (
    UpstreamOptions,
    addresses,
    read_options,
    request_headers,
)
from openedai.engines.upstream.request import embedding_request, generation_request
from openedai.engines.upstream.reranking import by_query, read_scores, rerank_request
from openedai.engines.upstream.servers import server_profile
from openedai.errors import InvalidRequest

if TYPE_CHECKING:
    import aiohttp

E = TypeVar("E")
T = TypeVar("T")
_VECTOR_BYTES = 1 << 20  # the most that one embedding can take, as JSON
_LIST_BYTES = 16 << 20
_SCORE_BYTES = 1 << 10
_MODERATED_BYTES = 16 << 10
_SHOWN = 12  # bytes of a character of a document that is sent back, as JSON
_SHORTEST_SECRET = 8  # characters; a header's value may also be a word such as `true`


class Upstream(
    Generator,
    Embedder,
    Reranker,
    Moderator,
    ImageModerator,
    Transcriber,
    Speaker,
    ImageMaker,
    Directory,
):
    """A model of an upstream. It never dies: after a failure it may serve the next request."""

    def __init__(
        self,
        model: str,
        options: UpstreamOptions,
        session: aiohttp.ClientSession,
        replicas: Replicas,
        failures: Failures,
    ) -> None:
        self.model = model
        self.slots = options.slots
        self._options = options
        self._session = session
        self._replicas = replicas
        self._failures = failures
        self._streams = Streams(
            session,
            failures,
            options.connect_timeout,
            options.first_byte_timeout,
            options.idle_timeout,
        )
        self._profile = server_profile(options.server)
        self._health_checks = HealthChecks(
            session,
            replicas,
            "models",
            interval=options.health_interval,
            timeout=options.connect_timeout,
        )

    @classmethod
    def traits(cls, options: Mapping[str, Any]) -> Traits:
        """Images are always accepted: the upstream refuses them if its model cannot read them."""
        return Traits(supports_images=True)

    @classmethod
    async def load(cls, model: str, path: Path | None, options: Mapping[str, Any]) -> Self:
        """Raises EngineFailed for wrong options. Nothing is sent: the upstream may be down."""
        known = read_options(model, options)
        urls = addresses(model, known)
        headers = request_headers(model, known)
        session = make_session(known.connect_timeout, headers)
        secrets = tuple(
            text.removeprefix("Bearer ")
            for name, text in headers.items()
            if name == "Authorization" or name in known.headers
        )
        secrets = tuple(text for text in secrets if len(text) >= _SHORTEST_SECRET)
        return cls(model, known, session, Replicas(urls), Failures(model, secrets))

    def within_trace(self, headers: Callable[[], Mapping[str, str]]) -> Self:
        trace = headers()
        if not trace:
            return self
        within = copy(self)
        within._streams = replace(self._streams, trace=trace)
        return within

    async def close(self) -> None:
        await self._health_checks.stop()
        await self._session.close()

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[GenerateEvent, None]:
        name = self._upstream_name(request.variant)
        if isinstance(request.constraint, Regex):  # which may become a large grammar
            outgoing = await asyncio.to_thread(generation_request, request, name, self._profile)
        else:
            outgoing = generation_request(request, name, self._profile)
        has_choice = len(self._replicas.all) > 1
        attempts = self._attempts(prefixes(request, name) if has_choice else ())
        answer = partial(self._answer, outgoing=outgoing, request=request)
        async with aclosing(_first_answer(attempts, answer)) as events:
            async for event in events:
                yield event

    async def transcribe(self, request: TranscribeRequest) -> AsyncGenerator[TranscribeEvent, None]:
        name = self._upstream_name(request.variant)
        # It may read files.
        outgoing = await asyncio.to_thread(transcription_request, request, name, self._profile)
        answer = partial(transcript, self._streams, outgoing=outgoing, request=request)
        async with aclosing(_first_answer(self._attempts(), answer)) as events:
            async for event in events:
                yield event

    async def speak(self, request: SpeakRequest) -> AsyncGenerator[SpeakEvent, None]:
        outgoing = speech_request(request, self._upstream_name(request.variant))
        answer = partial(speech, self._streams, outgoing=outgoing, request=request)
        async with aclosing(_first_answer(self._attempts(), answer)) as events:
            async for event in events:
                yield event

    async def voices(self) -> tuple[Voice, ...]:
        """The voices that the upstream lists, for the model or in general, or else the official
        ones.
        """
        seconds = self._options.connect_timeout
        for query in ({"model": self._upstream_name(None)}, None):
            outgoing = RemoteRequest("audio/voices", None, "voice", query)
            with contextlib.suppress(InvalidRequest):
                if listed := await self._read(outgoing, seconds, _LIST_BYTES, read_voices):
                    return listed
        return tuple(Voice(name=name) for name in OFFICIAL)

    async def make_images(self, request: ImageRequest) -> AsyncGenerator[ImageEvent, None]:
        name = self._upstream_name(request.variant)
        # It encodes the mask.
        outgoing = await asyncio.to_thread(image_request, request, name, self._profile)
        answer = partial(images, self._streams, outgoing=outgoing, request=request)
        async with aclosing(_first_answer(self._attempts(), answer)) as events:
            async for event in events:
                yield event

    async def embed(self, request: EmbedRequest) -> EmbedResult:
        outgoing = embedding_request(request, self._upstream_name(request.variant))
        limit = (len(request.inputs) + 1) * _VECTOR_BYTES
        seconds = self._options.first_byte_timeout
        return await self._read(
            outgoing, seconds, limit, lambda body: read_embeddings(body, request)
        )

    async def rerank(self, request: RerankRequest) -> RerankResult:
        scores, tokens = [0.0] * len(request.documents), 0
        for indices, one in by_query(request):
            outgoing = rerank_request(one, self._upstream_name(request.variant))
            limit = _SCORE_BYTES * (len(indices) + 1) + sum(map(len, one.documents)) * _SHOWN
            read = partial(read_scores, documents=len(indices))
            found = await self._read(outgoing, self._options.first_byte_timeout, limit, read)
            tokens += found.prompt_tokens
            for index, score in zip(indices, found.scores, strict=True):
                scores[index] = score
        return RerankResult(scores=tuple(scores), prompt_tokens=tokens)

    async def moderate(self, request: ModerateRequest) -> ModerateResult:
        outgoing = moderation_request(request, self._upstream_name(request.variant))
        limit = _MODERATED_BYTES * (len(request.inputs) + 1)
        read = partial(read_moderation, inputs=len(request.inputs))
        return await self._read(outgoing, self._options.first_byte_timeout, limit, read)

    async def moderate_images(self, request: ModerateImagesRequest) -> ModerateResult:
        name, found = self._upstream_name(request.variant), []
        for image in request.images:
            outgoing = image_moderation_request(image, name)
            seconds = self._options.first_byte_timeout
            read = partial(read_moderation, inputs=1)
            found.append(await self._read(outgoing, seconds, _MODERATED_BYTES, read))
        return ModerateResult(
            assessments=tuple(one.assessments[0] for one in found),
            prompt_tokens=sum(one.prompt_tokens for one in found),
        )

    async def models(self) -> tuple[str, ...]:
        """The names by which requests choose the upstream's models."""
        outgoing = RemoteRequest("models", None, "model")
        seconds, names = self._options.connect_timeout, self._options.names
        return await self._read(
            outgoing, seconds, _LIST_BYTES, lambda body: read_names(body, names)
        )

    def _attempts(self, known: Sequence[Prefix] = ()) -> Attempts:
        return Attempts(self._replicas, known, self._options.retries)

    async def _read(
        self, outgoing: RemoteRequest, seconds: float, limit: int, read: Callable[[bytes], T]
    ) -> T:
        """What `read` makes of an answer, which has at most `limit` bytes and arrives within
        `seconds`.
        """
        attempts = self._attempts()
        while True:
            with attempts.next() as replica:
                timeout = Timeout(seconds)
                async with self._streams.send(replica, outgoing, timeout) as response:
                    body = await self._streams.body(response, timeout, limit)
                with self._streams.reading():
                    return read(body)

    async def _answer(
        self, replica: Replica, outgoing: RemoteRequest, request: GenerateRequest
    ) -> AsyncGenerator[GenerateEvent, None]:
        """One replica's answer. Raises ReplicaFailed, also between events."""
        timeout = Timeout(self._options.first_byte_timeout)
        answer = AnswerEvents(request)
        async with (
            self._streams.send(replica, outgoing, timeout) as response,
            aclosing(
                self._streams.answer(response, timeout, Chunk, outgoing.param, answer.done)
            ) as chunks,
        ):
            try:
                async for chunk in chunks:
                    with self._streams.reading():
                        deltas = list(answer.read(chunk))
                    for delta in deltas:
                        yield delta
            except ReplicaFailed:
                if not answer.complete:
                    raise
            with self._streams.reading():
                last = list(answer.end())
        for delta in last:
            yield delta

    def _upstream_name(self, variant: str | None) -> str:
        """The upstream's name for the model."""
        if variant is not None:
            return self._options.names.get(variant, variant)
        return self._options.model or self.model


async def _first_answer(
    attempts: Attempts, answer: Callable[[Replica], AsyncGenerator[E, None]]
) -> AsyncGenerator[E, None]:
    """The events of the first replica that answers."""
    while True:
        with attempts.next() as replica:
            async with aclosing(answer(replica)) as events:
                async for event in events:
                    attempts.commit(replica)
                    yield event
            return
