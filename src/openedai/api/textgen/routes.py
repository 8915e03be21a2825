"""The internal API of text-generation-webui: tokens, the current model, stopping.

That program has one model loaded at a time, for all clients. Here the current model is the one
that was last loaded through this API; until then, the default chat model.
"""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.route import takes
from openedai.api.textgen.current import NONE, CurrentModel
from openedai.api.textgen.types import DecodeRequest, EncodeRequest, LoadRequest
from openedai.catalog.models import Model
from openedai.contract.engine import Tokenizer
from openedai.http.exchange import exchange_of
from openedai.http.respond import json_response
from openedai.serving.call import Call
from openedai.serving.leases import Leases
from openedai.serving.models.listing import Listing
from openedai.serving.models.loading import Loading
from openedai.serving.stopping import ActiveGenerations


class Encoded(msgspec.Struct):
    tokens: tuple[int, ...]
    length: int


class Decoded(msgspec.Struct):
    text: str


class Length(msgspec.Struct):
    length: int


class Info(msgspec.Struct):
    model_name: str
    lora_names: tuple[str, ...] = ()


class Names(msgspec.Struct):
    model_names: list[str]


class TextTokens:
    """Texts as tokens of the current model."""

    def __init__(self, calls: Calls, current: CurrentModel, leases: Leases) -> None:
        self._calls = calls
        self._current = current
        self._leases = leases

    @takes(EncodeRequest)
    async def encode(self, request: Request) -> Response:
        call, ids = await self._ids(request)
        return json_response(Encoded(ids, len(ids)), headers=call.headers)

    @takes(EncodeRequest)
    async def token_count(self, request: Request) -> Response:
        call, ids = await self._ids(request)
        return json_response(Length(len(ids)), headers=call.headers)

    @takes(DecodeRequest)
    async def decode(self, request: Request) -> Response:
        call = await self._calls.read(request, DecodeRequest, self._model)
        async with self._leases.lease(call, Tokenizer) as engine:
            text = await engine.detokenize(call.body.tokens)
        return json_response(Decoded(text), headers=call.headers)

    async def _ids(self, request: Request) -> tuple[Call[EncodeRequest], tuple[int, ...]]:
        call = await self._calls.read(request, EncodeRequest, self._model)
        async with self._leases.lease(call, Tokenizer) as engine:
            return call, await engine.tokenize(call.body.text, special=True)

    def _model(self, body: EncodeRequest | DecodeRequest) -> Model:
        return self._current.resolve(body.model)


class ModelControl:
    """The current model: show, load and unload it; and stop its answers."""

    def __init__(
        self,
        calls: Calls,
        current: CurrentModel,
        listing: Listing,
        loading: Loading,
        active: ActiveGenerations,
    ) -> None:
        self._calls = calls
        self._current = current
        self._listing = listing
        self._loading = loading
        self._active = active

    async def model_info(self, request: Request) -> Response:
        """The current model, if it is loaded."""
        model = self._current.model
        if model is None or model.spec.id not in self._loading.loaded():
            return json_response(Info(NONE))
        adapters = (model.variant,) if model.variant and model.spec.prefix is None else ()
        return json_response(Info(model.id, adapters))

    async def model_list(self, request: Request) -> Response:
        return json_response(Names(await self._listing.ids(exchange_of(request.scope))))

    @takes(LoadRequest)
    async def load_model(self, request: Request) -> Response:
        """Load the model, and make it the current one."""
        call = await self._calls.read(request, LoadRequest, self._model)
        await self._loading.load(call.spec)
        self._current.set(call.model)
        return json_response("OK", headers=call.headers)

    async def unload_model(self, request: Request) -> Response:
        await self._loading.unload(self._current.resolve(None).spec)
        return json_response("OK")

    async def stop_generation(self, request: Request) -> Response:
        """Stop all that is generated for the caller. Answers before it has ended."""
        self._active.stop(exchange_of(request.scope).caller)
        return json_response("OK")

    def _model(self, body: LoadRequest) -> Model:
        return self._current.resolve(body.model_name)
