"""What is computed for a request: sizes, steps and strength."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from openedai.contract.images import ImageRequest
from openedai.engines.diffusers.options import DiffusersOptions
from openedai.engines.diffusers.samplers import find_sampler
from openedai.errors import InvalidRequest, Unsupported, invalid_value

Size = tuple[int, int]
Task = Literal["text", "image", "inpaint"]

SMALLEST_SIDE = 64
MAX_STEPS = 150
_STEPS = {"low": 0.5, "high": 2.0, "hd": 2.0, "xhigh": 2.0, "max": 2.0}  # by quality
_FIDELITY = {"high": 0.6}
_VARIATION = 0.6


@dataclass(frozen=True)
class Plan:
    """One request's computation.

    `size` is that of the images, and `computed_size` the one that the pipeline works with, whose
    sides are multiples of what it needs. `strength` is for the tasks with an image.
    """

    task: Task
    size: Size
    computed_size: Size
    steps: int
    strength: float


def check(request: ImageRequest) -> None:
    """Raise InvalidRequest for requests that no diffusion model can fulfil here."""
    if request.background == "transparent":
        raise Unsupported(
            "This model does not make images with a transparent background.",
            code="unsupported_value",
            param="background",
        )
    if len(request.images) > 1:
        raise Unsupported(
            "This model takes one image at a time.", code="unsupported_value", param="image"
        )
    if request.steps is not None and not 1 <= request.steps <= MAX_STEPS:
        raise invalid_value("steps", f"it must be from 1 to {MAX_STEPS}")
    if request.sampler is not None:
        find_sampler(request.sampler)
    for name in request.extra:
        raise InvalidRequest(f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name)


def task_of(request: ImageRequest, *, only_inpaints: bool) -> Task:
    """What the pipeline does; a model that only inpaints does everything that way."""
    if only_inpaints or request.mask is not None:
        return "inpaint"
    return "image" if request.images else "text"


def make_plan(
    request: ImageRequest,
    options: DiffusersOptions,
    task: Task,
    *,
    default_size: Size,
    default_steps: int,
    multiple: int,
) -> Plan:
    """The plan of a request.

    `default_size` is that of the request's image, or the model's own; `default_steps` and
    `multiple` (of the sides, in pixels) are the pipeline's. Raises InvalidRequest for images that
    are too large.
    """
    own_size = None if request.images else _size_of(options)
    size = request.size or own_size or default_size
    if request.size is not None and math.prod(size) > options.max_pixels:
        raise invalid_value("size", f"this model makes at most {options.max_pixels} pixels")
    steps = request.steps or _steps(request, options.steps or default_steps)
    return Plan(
        task=task,
        size=size,
        computed_size=_computed(size, multiple, options.max_pixels),
        steps=steps,
        strength=_strength(request, options, steps) if request.images else 1.0,
    )


def _size_of(options: DiffusersOptions) -> Size | None:
    if options.size is None:
        return None
    width, _, height = options.size.partition("x")
    return int(width), int(height)


def _computed(size: Size, multiple: int, max_pixels: int) -> Size:
    """The size, scaled down to about `max_pixels` if it has more, each side rounded up."""
    scale = min(1.0, math.sqrt(max_pixels / math.prod(size)))
    sides = (max(SMALLEST_SIDE, math.ceil(side * scale)) for side in size)
    width, height = (math.ceil(side / multiple) * multiple for side in sides)
    return width, height


def _steps(request: ImageRequest, steps: int) -> int:
    return max(1, min(MAX_STEPS, round(steps * _STEPS.get(request.quality or "", 1.0))))


def _strength(request: ImageRequest, options: DiffusersOptions, steps: int) -> float:
    """The strength, large enough that at least one step is computed; 0 returns the image itself."""
    strength = request.strength
    if strength is None and request.mask is not None:
        strength = 1.0
    if strength is None:
        strength = options.strength * _FIDELITY.get(request.fidelity or "", 1.0)
        strength *= _VARIATION if request.task == "vary" else 1.0
    if 0 < strength < 1 and int(steps * strength) < 1:
        strength = min(1.0, (1 + 1e-6) / steps)
    return strength
