"""`POST /v1/images/generations`, `/edits` and `/variations`."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.openai.images.files import ImageFiles, ImageLinks
from openedai.api.openai.images.render import ImageRenderer
from openedai.api.openai.images.types import (
    ImageBody,
    ImageEditRequest,
    ImageGenerationRequest,
    ImageVariationRequest,
)
from openedai.api.route import takes
from openedai.catalog.catalog import Catalog
from openedai.catalog.defaults import IMAGE
from openedai.catalog.models import Model
from openedai.errors import ModelNotFound, NotFound
from openedai.http.public_address import PublicAddress
from openedai.serving.images.inputs import ImageInputs
from openedai.serving.images.making import ImageMaking
from openedai.serving.images.store import ImageStore


class ImageGenerations:
    def __init__(
        self,
        calls: Calls,
        catalog: Catalog,
        inputs: ImageInputs,
        making: ImageMaking,
        store: ImageStore,
        public: PublicAddress,
    ) -> None:
        self._calls = calls
        self._catalog = catalog
        self._inputs = inputs
        self._making = making
        self._files = ImageFiles(store, public)

    @takes(ImageGenerationRequest)
    async def generate(self, request: Request) -> Response:
        call = await self._calls.read(request, ImageGenerationRequest, self._model, default=IMAGE)
        body = call.body
        renderer = ImageRenderer("image_generation", body.quality, self._links(request, body))
        events = self._making.run(call, body.to_engine_request())
        return await self._calls.answer(call, events, renderer, stream=bool(body.stream))

    @takes(ImageEditRequest)
    async def edit(self, request: Request) -> Response:
        call = await self._calls.read(request, ImageEditRequest, self._model, default=IMAGE)
        body = call.body
        sources = await self._inputs.load(
            body.inputs(),
            body.mask_input(),
            owner=call.exchange.owner,
            own_mask=not body.for_gpt_image,
        )
        renderer = ImageRenderer("image_edit", body.quality, self._links(request, body))
        events = self._making.run(call, body.to_engine_request(sources))
        return await self._calls.answer(call, events, renderer, stream=bool(body.stream))

    @takes(ImageVariationRequest)
    async def vary(self, request: Request) -> Response:
        call = await self._calls.read(request, ImageVariationRequest, self._model, default=IMAGE)
        sources = await self._inputs.load(call.body.inputs(), owner=call.exchange.owner)
        renderer = ImageRenderer("image_edit", None, self._links(request, call.body))
        events = self._making.run(call, call.body.to_engine_request(sources))
        return await self._calls.answer(call, events, renderer, stream=False)

    def _links(self, request: Request, body: ImageBody) -> ImageLinks | None:
        return self._files.links(request) if body.wants_urls else None

    def _model(self, body: ImageBody) -> Model:
        """The model of a request, the default one if it names none."""
        default = self._catalog.default(IMAGE)
        if body.model is None:
            if default is None:
                raise _no_image_model("There is no default model for images.")
            return default
        try:
            return self._catalog.resolve(body.model)
        except ModelNotFound as error:
            if default is None:
                raise _no_image_model(error.message) from None
            raise


def _no_image_model(message: str) -> NotFound:
    return NotFound(
        f"{message} This server has no model that makes images: one can be added with SD_WEBUI_URL "
        "or in openedai.toml, as docs/images.md describes.",
        code="model_not_found",
        param="model",
    )
