"""`POST /v1/tokenize` and `POST /v1/detokenize`: texts through a model's own vocabulary."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.extensions.tokens.types import MAX_TOKEN_TEXTS, DetokenizeRequest, TokenizeRequest
from openedai.api.route import takes
from openedai.contract.engine import Tokenizer
from openedai.errors import invalid_value
from openedai.http.respond import json_response
from openedai.serving.leases import Leases


class TokenizeResponse(msgspec.Struct, omit_defaults=True):
    model: str
    count: int
    tokens: tuple[int, ...] | UnsetType = UNSET
    token_strs: list[str] | UnsetType = UNSET


class DetokenizeResponse(msgspec.Struct):
    model: str
    prompt: str


class Tokenization:
    def __init__(self, calls: Calls, leases: Leases) -> None:
        self._calls = calls
        self._leases = leases

    @takes(TokenizeRequest)
    async def tokenize(self, request: Request) -> Response:
        call = await self._calls.read(request, TokenizeRequest)
        body = call.body
        async with self._leases.lease(call, Tokenizer) as engine:
            if body.prompt is None:
                answer = TokenizeResponse(call.model.id, await engine.count(body.chat()))
            else:
                special = body.add_special_tokens is not False
                ids = await engine.tokenize(body.prompt, special=special)
                answer = TokenizeResponse(call.model.id, len(ids), ids)
                if body.return_token_strs:
                    answer.token_strs = await _texts(engine, ids)
        return json_response(answer, headers=call.headers)

    @takes(DetokenizeRequest)
    async def detokenize(self, request: Request) -> Response:
        call = await self._calls.read(request, DetokenizeRequest)
        async with self._leases.lease(call, Tokenizer) as engine:
            text = await engine.detokenize(call.body.tokens)
        return json_response(DetokenizeResponse(call.model.id, text), headers=call.headers)


async def _texts(engine: Tokenizer, ids: tuple[int, ...]) -> list[str]:
    """The text of each token, with U+FFFD for an incomplete character."""
    if len(ids) > MAX_TOKEN_TEXTS:
        raise invalid_value(
            "return_token_strs",
            f"the text has {len(ids)} tokens, and those of at most "
            f"{MAX_TOKEN_TEXTS} are shown one by one",
        )
    texts = {id: await engine.detokenize((id,)) for id in dict.fromkeys(ids)}
    return [texts[id] for id in ids]
