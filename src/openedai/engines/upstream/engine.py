"""Models behind another server that speaks the OpenAI API, or behind several equal ones.

    engine       requests of the contract: which replica, and which next if it fails
    request      a request as JSON, in the server's dialect (dialects)
    connection   HTTP with one replica; events out of its stream (sse)
    answer       the events' meaning (logprobs, embeddings)
    failures     what refusals and failures mean
    replicas     which replica is next (affinity); health checks them

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

from openedai.contract.adapter import Adapter
from openedai.contract.embed import EmbedRequest, EmbedResult
from openedai.contract.engine import Directory, Embedder, Generator
from openedai.contract.generate import GenerateEvent, GenerateRequest
from openedai.engines.upstream.answers.embeddings import read_embeddings
from openedai.engines.upstream.answers.generation import AnswerEvents, Broken, Chunk
from openedai.engines.upstream.answers.models import read_names
from openedai.engines.upstream.connection import Connections, Timeout, make_session
from openedai.engines.upstream.failures import Failures, ReplicaFailed
from openedai.engines.upstream.options import (
    UpstreamOptions,
    addresses,
    read_options,
    request_headers,
)
from openedai.engines.upstream.replicas.affinity import Prefix, prefixes
from openedai.engines.upstream.replicas.attempts import Attempts
from openedai.engines.upstream.replicas.health import watch
from openedai.engines.upstream.replicas.replicas import Replica, Replicas
from openedai.engines.upstream.request import Call, embedding, generation
from openedai.engines.upstream.servers import dialect

if TYPE_CHECKING:
    import aiohttp

_VECTOR_BYTES = 1 << 20  # the most that one embedding can take, as JSON
_LIST_BYTES = 16 << 20
_SHORTEST_SECRET = 8  # characters; a header may also say `true`


class Upstream(Generator, Embedder, Directory):
    """It has no weights and never dies: an upstream that is gone may be back for the next one."""

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
        self._connections = Connections(session, options, failures)
        self._dialect = dialect(options.server)
        self._decoder = msgspec.json.Decoder(Chunk)
        self._watch: asyncio.Task[None] | None = None
        if len(replicas.all) > 1 and options.health_interval:
            watching = watch(
                session,
                replicas,
                interval=options.health_interval,
                timeout=options.connect_timeout,
            )
            self._watch = asyncio.create_task(watching)

    @classmethod
    def supports_images(cls, options: Mapping[str, Any]) -> bool:
        """Left to the upstream: it refuses images where its model has no eyes."""
        return True

    @classmethod
    async def load(
        cls,
        model: str,
        path: Path | None,
        options: Mapping[str, Any],
        adapters: Sequence[Adapter] = (),
    ) -> Self:
        """Nobody is asked: an upstream that is down is no reason not to start."""
        known = read_options(model, options)
        urls = addresses(model, known)
        headers = request_headers(model, known)
        session = make_session(known, headers)
        secrets = tuple(
            text.removeprefix("Bearer ")
            for name, text in headers.items()
            if name == "Authorization" or name in known.headers
        )
        secrets = tuple(text for text in secrets if len(text) >= _SHORTEST_SECRET)
        return cls(model, known, session, Replicas(urls), Failures(model, secrets))

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
            self._watch = None
        await self._session.close()

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[GenerateEvent, None]:
        name = self._name(request.variant)
        call = generation(request, name, self._dialect)
        several = len(self._replicas.all) > 1
        attempts = self._attempts(prefixes(request, name) if several else ())
        while True:
            with attempts.next() as replica:
                async with aclosing(self._answer(replica, call, request)) as events:
                    async for event in events:
                        attempts.settle(replica)
                        yield event
                return

    async def embed(self, request: EmbedRequest) -> EmbedResult:
        call = embedding(request, self._name(request.variant))
        limit = (len(request.inputs) + 1) * _VECTOR_BYTES
        attempts = self._attempts()
        while True:
            with attempts.next() as replica:
                body = await self._body(replica, call, self._options.first_byte_timeout, limit)
                with self._understood():
                    return read_embeddings(body, request)

    async def models(self) -> tuple[str, ...]:
        """Every name under which the upstream's models can be asked for here."""
        call = Call("models", None, "model")
        attempts = self._attempts()
        while True:
            with attempts.next() as replica:
                body = await self._body(replica, call, self._options.connect_timeout, _LIST_BYTES)
                with self._understood():
                    return read_names(body, self._options.names)

    def _attempts(self, known: Sequence[Prefix] = ()) -> Attempts:
        return Attempts(self._replicas, known, self._options.retries)

    async def _body(self, replica: Replica, call: Call, seconds: float, limit: int) -> bytes:
        timeout = Timeout(seconds)
        async with self._connections.ask(replica, call, timeout) as response:
            return await self._connections.whole(response, timeout, limit)

    async def _answer(
        self, replica: Replica, call: Call, request: GenerateRequest
    ) -> AsyncGenerator[GenerateEvent, None]:
        """One replica's answer. Raises ReplicaFailed, at any moment."""
        timeout = Timeout(self._options.first_byte_timeout)
        answer = AnswerEvents(request)
        async with (
            self._connections.ask(replica, call, timeout) as response,
            aclosing(self._connections.events(response, timeout)) as events,
        ):
            try:
                async for event in events:
                    chunk = self._chunk(event, call.param)
                    with self._understood():
                        pieces = list(answer.read(chunk))
                    for piece in pieces:
                        yield piece
            except ReplicaFailed:
                if not answer.complete:
                    raise
            with self._understood():
                last = list(answer.end())
        for piece in last:
            yield piece

    def _chunk(self, event: bytes, param: str) -> Chunk:
        with self._understood():
            chunk = self._decoder.decode(event)
        if chunk.error or chunk.object == "error":
            raise self._failures.of_event(msgspec.json.decode(event), param)
        return chunk

    @contextlib.contextmanager
    def _understood(self) -> Iterator[None]:
        """What cannot be read is the upstream's failure."""
        try:
            yield
        except Broken as error:
            raise self._failures.broken(str(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._failures.broken("answered with something that cannot be read") from error

    def _name(self, variant: str | None) -> str:
        """What the upstream calls the model."""
        if variant is not None:
            return self._options.names.get(variant, variant)
        return self._options.model or self.model
