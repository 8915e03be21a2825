"""Loads the images in a call's conversation, before its requests to the engine are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from openedai.engines.registry import generator_traits
from openedai.errors import NoVision
from openedai.media.images import ImageRef, Images, LoadedImage
from openedai.serving.call import Call

LoadedImages = Mapping[str, LoadedImage]
"""The images of a request, by `param` of their references."""


class ImageLoading:
    def __init__(self, images: Images) -> None:
        self._images = images

    async def load(self, call: Call[Any], refs: Sequence[ImageRef]) -> LoadedImages:
        """The images of `refs`.

        Raises InvalidRequest for an image that cannot be loaded, and NoVision, before any is
        fetched, if the model does not support images.
        """
        if not refs:
            return {}
        traits = generator_traits(call.spec.engine, call.spec.options)
        if traits is None or not traits.supports_images:
            raise NoVision(call.spec.id, param=refs[0].type_param)
        loaded = await self.load_all(refs)
        return {ref.param: image for ref, image in zip(refs, loaded, strict=True)}

    async def load_all(self, refs: Sequence[ImageRef]) -> list[LoadedImage]:
        """The images of `refs` in their order, for any model. Raises InvalidRequest."""
        return await self._images.load_all(refs)
