"""Makes the images of a request with the pipelines of a model. Blocking."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from openedai.contract.images import ImageRequest, MadeImage, PartialImage
from openedai.engines.diffusers.arguments import image_arguments, settings
from openedai.engines.diffusers.brake import Stopped
from openedai.engines.diffusers.options import DiffusersOptions
from openedai.engines.diffusers.pipelines import Pipelines, call_defaults
from openedai.engines.diffusers.plan import Plan, make_plan, task_of
from openedai.engines.diffusers.previews import Previews
from openedai.engines.diffusers.samplers import new_scheduler
from openedai.errors import APIError, EngineFailed, InvalidRequest

if TYPE_CHECKING:
    from PIL import Image

log = logging.getLogger("openedai.engines")

_SEED_BITS = 48
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory")


class Painter:
    """Makes images with one model, one at a time: `paint` must be called from one thread."""

    def __init__(self, model: str, pipelines: Pipelines, options: DiffusersOptions) -> None:
        self._model = model
        self._pipelines = pipelines
        self._options = options

    def progress(self) -> int:
        """How many layers were computed."""
        return self._pipelines.brake.layers

    def paint(
        self,
        request: ImageRequest,
        stop: threading.Event,
        send: Callable[[PartialImage | MadeImage], None],
    ) -> None:
        """Send the request's previews and images. Returns early once `stop` is set.

        Raises InvalidRequest for what the model cannot do, and EngineFailed.
        """
        try:
            with self._pipelines.brake.by(stop):
                self._paint_all(self._with_defaults(request), send)
        except Stopped:
            return
        except APIError:
            raise
        except Exception as error:
            log.exception("the model %s failed", self._model)
            raise _failure(self._model, error) from error

    def _with_defaults(self, request: ImageRequest) -> ImageRequest:
        return replace(
            request,
            seed=secrets.randbits(_SEED_BITS) if request.seed is None else request.seed,
            sampler=request.sampler or self._options.sampler,
        )

    def _paint_all(
        self, request: ImageRequest, send: Callable[[PartialImage | MadeImage], None]
    ) -> None:
        from openedai.images.decode import opened

        source = opened(request.images[0]) if request.images else None
        plan = self._plan(request, source)
        self._pipelines.check_prompt(request.prompt, "prompt")
        self._pipelines.check_prompt(request.negative_prompt or "", "negative_prompt")
        for index in range(request.count):
            if source is not None and plan.strength == 0:
                image = source
            else:
                previews = Previews(request.partial_images, index, plan.computed_size, send)
                image = self._paint(request, plan, source, index, previews)
            send(MadeImage(index=index, data=_finished(image, request, plan)))

    def _plan(self, request: ImageRequest, source: Image.Image | None) -> Plan:
        task = task_of(request, only_inpaints=self._pipelines.only_inpaints)
        steps = call_defaults(self._pipelines.of(task)).get("num_inference_steps")
        return make_plan(
            request,
            self._options,
            task,
            default_size=self._pipelines.size if source is None else source.size,
            default_steps=int(steps or 50),
            multiple=self._pipelines.multiple,
        )

    def _paint(
        self,
        request: ImageRequest,
        plan: Plan,
        source: Image.Image | None,
        index: int,
        previews: Previews,
    ) -> Image.Image:
        import torch

        pipeline = self._pipelines.of(plan.task)
        pipeline.scheduler = new_scheduler(self._pipelines.scheduler, request.sampler)
        result = pipeline(
            **settings(call_defaults(pipeline), request, plan, self._options),
            **image_arguments(request, plan, source),
            **previews.arguments(),
            generator=torch.Generator("cpu").manual_seed((request.seed or 0) + index),
        )
        if any(getattr(result, "nsfw_content_detected", None) or ()):
            raise InvalidRequest(
                "The safety checker of the model rejected the image that it made.",
                code="moderation_blocked",
                param="prompt",
            )
        image: Image.Image = result.images[0]
        return image


def _finished(image: Image.Image, request: ImageRequest, plan: Plan) -> bytes:
    """As a PNG in the requested size; where the mask is black it is the source."""
    from PIL.Image import Resampling

    from openedai.images.decode import png_of
    from openedai.images.masks import blend

    if image.size != plan.size:
        image = image.resize(plan.size, Resampling.LANCZOS)
    if request.mask is not None:
        image = blend(image, request.images[0], request.mask)
    return png_of(image)


def _failure(model: str, error: Exception) -> EngineFailed:
    text = str(error).lower()
    if isinstance(error, MemoryError) or any(words in text for words in _OUT_OF_MEMORY):
        return EngineFailed(f"The model `{model}` ran out of memory. A smaller image may fit.")
    return EngineFailed(f"The model `{model}` failed to make the image.")
