"""`POST /v1/moderations`."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.openai.moderations.types import ModerationRequest
from openedai.api.parameters.ids import new_id
from openedai.api.parameters.moderation import ModerationObject, moderation_object
from openedai.api.route import takes
from openedai.catalog.catalog import Catalog
from openedai.catalog.defaults import MODERATION
from openedai.catalog.models import Model
from openedai.errors import ModelNotFound
from openedai.serving.moderation import Moderation


class ModerationList(msgspec.Struct):
    id: str
    model: str
    results: list[ModerationObject]


class Moderations:
    def __init__(self, calls: Calls, catalog: Catalog, moderation: Moderation) -> None:
        self._calls = calls
        self._catalog = catalog
        self._moderation = moderation

    @takes(ModerationRequest)
    async def create(self, request: Request) -> Response:
        call = await self._calls.read(request, ModerationRequest, self._model, default=MODERATION)
        texts = call.body.texts()
        found = iter(await self._moderation.run(call, [text for one in texts for text in one]))
        answer = ModerationList(
            id=new_id("modr-"),
            model=call.model.id,
            results=[moderation_object([next(found) for _ in one]) for one in texts],
        )
        return self._calls.respond(call, answer)

    def _model(self, body: ModerationRequest) -> Model:
        """The model that the body names, or the default one."""
        if body.model is not None:
            return self._catalog.resolve(body.model)
        if (model := self._catalog.default(MODERATION)) is None:
            raise ModelNotFound("omni-moderation-latest")
        return model
