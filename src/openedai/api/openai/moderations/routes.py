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
from openedai.catalog.defaults import IMAGE_MODERATION, MODERATION
from openedai.catalog.models import Model
from openedai.contract.engine import ImageModerator
from openedai.contract.moderate import Assessment
from openedai.engines.registry import default_capabilities_of
from openedai.errors import ModelNotFound, Unsupported
from openedai.serving.call import Call
from openedai.serving.images.loading import ImageLoading
from openedai.serving.moderation import Moderation


class ModerationList(msgspec.Struct):
    id: str
    model: str
    results: list[ModerationObject]


class Moderations:
    def __init__(
        self,
        calls: Calls,
        catalog: Catalog,
        moderation: Moderation,
        image_loading: ImageLoading,
    ) -> None:
        self._calls = calls
        self._image_loading = image_loading
        self._catalog = catalog
        self._moderation = moderation

    @takes(ModerationRequest)
    async def create(self, request: Request) -> Response:
        call = await self._calls.read(request, ModerationRequest, self._model, default=MODERATION)
        texts, images = call.body.texts(), await self._images(call)
        flat = [text for one in texts for text in one]
        found = iter(await self._moderation.run(call, flat) if flat else [])
        answer = ModerationList(
            id=new_id("modr-"),
            model=call.model.id,
            results=[moderation_object([next(found) for _ in one], images) for one in texts],
        )
        return self._calls.respond(call, answer)

    async def _images(self, call: Call[ModerationRequest]) -> list[Assessment]:
        """The assessments of the images, which all belong to the only result.

        The model itself scores them if it can, otherwise the default one for images.
        """
        if not (refs := call.body.image_refs()):
            return []
        model: Model | None = call.model
        if ImageModerator not in default_capabilities_of(call.spec.engine, call.spec.options):
            model = self._catalog.default(IMAGE_MODERATION)
        if model is None:
            raise Unsupported(
                "This server has no model that scores images.",
                code="unsupported_value",
                param=refs[0].type_param,
            )
        loaded = await self._image_loading.load_all(refs)
        files = [image.raw for image in loaded]
        return await self._moderation.run_images(call.within(model), files)

    def _model(self, body: ModerationRequest) -> Model:
        """The model that the body names, or the default one."""
        if body.model is not None:
            return self._catalog.resolve(body.model)
        if (model := self._catalog.default(MODERATION)) is None:
            raise ModelNotFound("omni-moderation-latest")
        return model
