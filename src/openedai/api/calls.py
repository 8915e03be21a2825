"""Turns HTTP requests into calls, and the results of calls into HTTP responses."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from openedai.catalog.catalog import Catalog
from openedai.catalog.defaults import Kind
from openedai.catalog.models import Model
from openedai.config import Settings
from openedai.engines.registry import engine_entry
from openedai.errors import ModelNotFound
from openedai.http.body_memory import BodyMemory
from openedai.http.exchange import Exchange, exchange_of
from openedai.http.respond import EventStream, FileStream, first_frame, json_response
from openedai.serving.call import Call
from openedai.serving.fine_tuning.models import TunedModels
from openedai.serving.leases import Leases

if TYPE_CHECKING:
    from openedai.http.body import Body, BodyLimits
    from openedai.http.form import FileReceiver

# A file in a body: a long run of base64.
_FILE = re.compile(r"[A-Za-z0-9+/=_-]{512,}")

B = TypeVar("B", bound="Body")
T = TypeVar("T", covariant=True)


class Renderer(Protocol[T]):
    """Renders the events of a call in the format of one API."""

    async def whole(self, events: AsyncGenerator[Any, None]) -> T:
        """The value of an answer that is not streamed."""

    def chunks(self, events: AsyncGenerator[Any, None]) -> AsyncGenerator[bytes, None]:
        """The frames of a streamed answer."""


class Calls:
    def __init__(
        self, settings: Settings, catalog: Catalog, leases: Leases, tuned: TunedModels
    ) -> None:
        self._settings = settings
        self._catalog = catalog
        self._leases = leases
        self._tuned = tuned
        self._body_memory = BodyMemory(max(settings.body_memory, 2 * settings.max_body_bytes))

    async def read(
        self,
        request: Request,
        body_type: type[B],
        resolve: Callable[[B], Model] | None = None,
        *,
        default: Kind | None = None,
    ) -> Call[B]:
        """The request as a call.

        A model in the URL replaces the body's `model`. `resolve` gives the model of a body; by
        default it is the one that `model` names. `default` is the kind whose default model gets
        the unknown parameters of a body without `model`. Raises InvalidRequest for a body that
        cannot be read, and what `resolve` raises.
        """
        from openedai.http.body import read_body

        exchange = exchange_of(request.scope)
        in_url = request.path_params.get("model")
        body, headers = await read_body(
            request,
            body_type,
            limits=self._limits(),
            unknown=self._settings.unknown_parameters,
            overrides={} if in_url is None else {"model": in_url},
            passed_on=lambda fields: self._passed_on(body_type, fields, default),
        )
        return await self._call(exchange, body, headers, resolve)

    async def message(self, values: Any, body_type: type[B], exchange: Exchange) -> Call[B]:
        """The values of a WebSocket message as a call, in the same way."""
        from openedai.http.body import body_of

        body, headers = body_of(
            values,
            body_type,
            unknown=self._settings.unknown_parameters,
            passed_on=lambda fields: self._passed_on(body_type, fields, None),
        )
        return await self._call(exchange, body, headers, None)

    async def _call(
        self,
        exchange: Exchange,
        body: B,
        headers: dict[str, str],
        resolve: Callable[[B], Model] | None,
    ) -> Call[B]:
        if self._settings.log_prompts:
            exchange.logged_body = _without_files(body)
        body.check()
        await self._tuned.prepare(exchange.owner, getattr(body, "model", None))
        model = self._named(body) if resolve is None else resolve(body)
        if not self._catalog.permits(exchange.identity, model.id):
            raise ModelNotFound(getattr(body, "model", None) or model.id)
        exchange.model = model.id
        exchange.parameter_names = body.engine_names()  # from here on, errors are engines'
        call = Call(body, model, exchange, headers)
        self._leases.show_limits(call)
        return call

    async def body(
        self, request: Request, body_type: type[B], receiver: FileReceiver | None = None
    ) -> tuple[B, dict[str, str]]:
        """The body of a request that is not a call to a model, and headers for the answer.

        The file of `receiver` goes there while the body is read. Raises InvalidRequest.
        """
        from openedai.http.body import read_body

        unknown = self._settings.unknown_parameters
        body, headers = await read_body(
            request, body_type, limits=self._limits(), unknown=unknown, receiver=receiver
        )
        body.check()
        return body, headers

    def query(self, request: Request, body_type: type[B]) -> tuple[B, dict[str, str]]:
        """The parameters in the URL, in the same way."""
        from openedai.http.body import read_query

        body, headers = read_query(request, body_type, unknown=self._settings.unknown_parameters)
        body.check()
        return body, headers

    async def answer(
        self,
        call: Call[Any],
        events: AsyncGenerator[Any, None],
        renderer: Renderer[Any],
        *,
        stream: bool,
    ) -> Response:
        """The response to a call, whole or streamed.

        Raises what fails before the first event.
        """
        if not stream:
            return self.respond(call, await renderer.whole(events))
        return await self.stream(call, renderer.chunks(events))

    async def stream(
        self, call: Call[Any], chunks: AsyncGenerator[bytes, None], media_type: str | None = None
    ) -> Response:
        """A stream of events, or a file of this type made of the chunks.

        Raises what fails before the first chunk.
        """
        first = await first_frame(chunks)
        if media_type is None:
            return EventStream(call.exchange, first, chunks, self._headers(call))
        return FileStream(call.exchange, first, chunks, self._headers(call), media_type)

    def respond(self, call: Call[Any], value: Any) -> Response:
        """A value as JSON, with the headers of the model's rate limits."""
        return json_response(value, headers=self._headers(call))

    def respond_text(self, call: Call[Any], text: str, media_type: str) -> Response:
        """A text, with the same headers."""
        return Response(text, headers=self._headers(call), media_type=media_type)

    def _limits(self) -> BodyLimits:
        from openedai.http.body import BodyLimits

        return BodyLimits(
            self._settings.max_body_bytes, self._settings.max_upload_bytes, self._body_memory
        )

    def _named(self, body: Any) -> Model:
        return self._catalog.resolve(body.model)

    def _passed_on(
        self, body_type: type[Body], fields: Mapping[str, Any], default: Kind | None
    ) -> frozenset[str] | None:
        """The known parameters that the body's model gets unchanged, besides the unknown ones; None
        if it gets neither.
        """
        name = fields.get("model")
        try:
            model = self._catalog.resolve(name) if isinstance(name, str) else None
        except ModelNotFound:
            return None
        if name is None and default is not None:
            model = self._catalog.default(default)
        entry = None if model is None else engine_entry(model.spec.engine)
        if body_type.passthrough_fields is None or not (entry and entry.passes_unknown_parameters):
            return None
        return body_type.passthrough_fields if entry.speaks_official_api else frozenset()

    def _headers(self, call: Call[Any]) -> dict[str, str]:
        """Unless the caller has limits, the rate limits count the requests, running and waiting,
        that the model accepts. While there is room, nobody has to wait for a reset.
        """
        limits = call.exchange.rate_limits
        if limits is not None and "requests" in limits.measures:
            return dict(call.headers)
        limit, remaining = self._leases.occupancy(call)
        return {
            **call.headers,
            "x-ratelimit-limit-requests": str(limit),
            "x-ratelimit-remaining-requests": str(remaining),
            "x-ratelimit-reset-requests": "0s" if remaining else "1s",
        }


def _without_files(body: Body) -> str:
    """A body for the log: as it was sent, without the files in it."""
    text = body.model_dump_json(exclude_unset=True, by_alias=True, warnings=False)
    return _FILE.sub(lambda run: f"({len(run[0])} characters)", text)
