"""Models of another server that speaks the OpenAI API, or of several equal ones.

    engine       requests of the contract: which replica, and which next if it fails
    request      a request as the JSON that the server takes (servers)
    connection   streams of events from one replica
    answers/     what the replica's answers mean

`openedai.engines.remote` has the rest: HTTP, replicas, and what refusals and failures mean.

A request goes to another replica only as long as nothing of its answer was passed on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from openedai.contract.embed import EmbedRequest, EmbedResult
from openedai.contract.engine import Directory, Embedder, Generator, Traits
from openedai.contract.generate import GenerateEvent, GenerateRequest
from openedai.engines.remote.affinity import Prefix, prefixes
from openedai.engines.remote.attempts import Attempts
from openedai.engines.remote.connection import RemoteRequest, Timeout, make_session
from openedai.engines.remote.failures import Failures, ReplicaFailed
from openedai.engines.remote.health import watch
from openedai.engines.remote.replicas import Replica, Replicas
from openedai.engines.upstream.answers.embeddings import read_embeddings
from openedai.engines.upstream.answers.generation import AnswerEvents, Chunk, MalformedAnswer
from openedai.engines.upstream.answers.models import read_names
from openedai.engines.upstream.connection import Streams
from openedai.engines.upstream.options import (
    UpstreamOptions,
    addresses,
    read_options,
    request_headers,
)
from openedai.engines.upstream.request import embedding_request, generation_request
from openedai.engines.upstream.servers import server_profile

if TYPE_CHECKING:
    import aiohttp

_VECTOR_BYTES = 1 << 20  # the most that one embedding can take, as JSON
_LIST_BYTES = 16 << 20
_SHORTEST_SECRET = 8  # characters; a header's value may also be a word such as `true`


class Upstream(Generator, Embedder, Directory):
    """A model of an upstream, which never dies: one that fails may serve the next request."""

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
        self._streams = Streams(session, failures, options.connect_timeout, options.idle_timeout)
        self._profile = server_profile(options.server)
        self._decoder = msgspec.json.Decoder(Chunk)
        self._health_checks: asyncio.Task[None] | None = None
        if len(replicas.all) > 1 and options.health_interval:
            checks = watch(
                session,
                replicas,
                "models",
                interval=options.health_interval,
                timeout=options.connect_timeout,
            )
            self._health_checks = asyncio.create_task(checks)

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

    async def close(self) -> None:
        if self._health_checks is not None:
            self._health_checks.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._health_checks
            self._health_checks = None
        await self._session.close()

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[GenerateEvent, None]:
        name = self._upstream_name(request.variant)
        outgoing = generation_request(request, name, self._profile)
        has_choice = len(self._replicas.all) > 1
        attempts = self._attempts(prefixes(request, name) if has_choice else ())
        while True:
            with attempts.next() as replica:
                async with aclosing(self._answer(replica, outgoing, request)) as events:
                    async for event in events:
                        attempts.commit(replica)
                        yield event
                return

    async def embed(self, request: EmbedRequest) -> EmbedResult:
        outgoing = embedding_request(request, self._upstream_name(request.variant))
        limit = (len(request.inputs) + 1) * _VECTOR_BYTES
        attempts = self._attempts()
        while True:
            with attempts.next() as replica:
                body = await self._read_body(
                    replica, outgoing, self._options.first_byte_timeout, limit
                )
                with self._translate_errors():
                    return read_embeddings(body, request)

    async def models(self) -> tuple[str, ...]:
        """The names by which requests choose the upstream's models."""
        outgoing = RemoteRequest("models", None, "model")
        attempts = self._attempts()
        while True:
            with attempts.next() as replica:
                body = await self._read_body(
                    replica, outgoing, self._options.connect_timeout, _LIST_BYTES
                )
                with self._translate_errors():
                    return read_names(body, self._options.names)

    def _attempts(self, known: Sequence[Prefix] = ()) -> Attempts:
        return Attempts(self._replicas, known, self._options.retries)

    async def _read_body(
        self, replica: Replica, outgoing: RemoteRequest, seconds: float, limit: int
    ) -> bytes:
        timeout = Timeout(seconds)
        async with self._streams.send(replica, outgoing, timeout) as response:
            return await self._streams.body(response, timeout, limit)

    async def _answer(
        self, replica: Replica, outgoing: RemoteRequest, request: GenerateRequest
    ) -> AsyncGenerator[GenerateEvent, None]:
        """One replica's answer. Raises ReplicaFailed, also between events."""
        timeout = Timeout(self._options.first_byte_timeout)
        answer = AnswerEvents(request)
        async with (
            self._streams.send(replica, outgoing, timeout) as response,
            aclosing(self._streams.events(response, timeout)) as events,
        ):
            try:
                async for event in events:
                    chunk = self._chunk(event, outgoing.param)
                    with self._translate_errors():
                        deltas = list(answer.read(chunk))
                    for delta in deltas:
                        yield delta
            except ReplicaFailed:
                if not answer.complete:
                    raise
            with self._translate_errors():
                last = list(answer.end())
        for delta in last:
            yield delta

    def _chunk(self, event: bytes, param: str) -> Chunk:
        with self._translate_errors():
            chunk = self._decoder.decode(event)
        if chunk.error or chunk.object == "error":
            raise self._failures.of_event(msgspec.json.decode(event), param)
        return chunk

    @contextlib.contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """Raise ReplicaFailed for an answer that cannot be read."""
        try:
            yield
        except MalformedAnswer as error:
            raise self._failures.broken(str(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._failures.broken("answered with something that cannot be read") from error

    def _upstream_name(self, variant: str | None) -> str:
        """The upstream's name of the model."""
        if variant is not None:
            return self._options.names.get(variant, variant)
        return self._options.model or self.model
