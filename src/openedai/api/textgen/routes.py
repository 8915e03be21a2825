"""The internal API of text-generation-webui: tokens, the model that is worked with, stopping.

That program has one model loaded at a time. Here it is the one that was last loaded through
this API, and the default chat model before.
"""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.textgen.types import DecodeRequest, EncodeRequest, LoadRequest
from openedai.catalog.catalog import Model
from openedai.contract.engine import Tokenizer
from openedai.errors import ModelNotFound
from openedai.http.respond import json_response
from openedai.serving.listing import model_names
from openedai.serving.loading import unload
from openedai.serving.services import Services, services

NONE = "None"  # what that program calls no model


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


def _meant(here: Services, name: str | None = None) -> Model:
    """The model of that name, or the one that is worked with. Raises ModelNotFound."""
    if name is not None:
        return here.catalog.resolve(name)
    model = here.chosen.model or here.catalog.default_chat
    if model is None:
        raise ModelNotFound(NONE)
    return model


async def _ids(request: Request) -> tuple[tuple[int, ...], dict[str, str]]:
    """The tokens of the text that the body has, and headers for the answer."""
    here = services(request)
    body, headers = await here.read(request, EncodeRequest)
    spec = _meant(here, body.model).spec
    async with here.pool.lease(spec, Tokenizer, request.scope["caller"]) as engine:
        return await engine.tokenize(body.text, special=True), headers


async def encode(request: Request) -> Response:
    ids, headers = await _ids(request)
    return json_response(Encoded(ids, len(ids)), headers=headers)


async def token_count(request: Request) -> Response:
    ids, headers = await _ids(request)
    return json_response(Length(len(ids)), headers=headers)


async def decode(request: Request) -> Response:
    here = services(request)
    body, headers = await here.read(request, DecodeRequest)
    spec = _meant(here, body.model).spec
    async with here.pool.lease(spec, Tokenizer, request.scope["caller"]) as engine:
        text = await engine.detokenize(body.tokens)
    return json_response(Decoded(text), headers=headers)


async def model_info(request: Request) -> Response:
    """The model that is worked with, if it is loaded."""
    here = services(request)
    model = here.chosen.model or here.catalog.default_chat
    loaded = {status.id for status in here.pool.snapshot().models if status.state == "ready"}
    if model is None or model.spec.id not in loaded:
        return json_response(Info(NONE))
    adapters = (model.variant,) if model.variant and model.spec.prefix is None else ()
    return json_response(Info(model.id, adapters))


async def model_list(request: Request) -> Response:
    return json_response(Names(await model_names(services(request), request.scope["caller"])))


async def load_model(request: Request) -> Response:
    """Load the model, and work with it from now on."""
    here = services(request)
    body, headers = await here.read(request, LoadRequest)
    body.check()
    model = here.catalog.resolve(body.model_name)
    await here.pool.preload(model.spec)
    here.chosen.model = model
    return json_response("OK", headers=headers)


async def unload_model(request: Request) -> Response:
    here = services(request)
    await unload(here, _meant(here).spec)
    return json_response("OK")


async def stop_generation(request: Request) -> Response:
    """Answers before the generations have ended."""
    services(request).running.end(request.scope["caller"])
    return json_response("OK")
