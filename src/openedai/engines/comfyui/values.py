"""The values for the slots of a workflow, from a request and the options of its model."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from openedai.contract.images import ImageRequest
from openedai.engines.comfyui.options import ComfyOptions
from openedai.engines.comfyui.workflow import Workflow
from openedai.engines.image_server.image_files import whole_steps
from openedai.engines.image_server.parameters import (
    MAX_SEED,
    QUALITIES,
    check_parameters,
    seed,
    steps,
    strength,
    unknown_parameter,
)
from openedai.errors import EngineFailed, Unsupported, invalid_value

# The parameters of requests by the slots that they need.
_NEEDS = {
    "negative_prompt": "negative_prompt",
    "steps": "steps",
    "guidance_scale": "guidance_scale",
    "seed": "seed",
    "strength": "strength",
    "sampler": "sampler",
    "size": "width",
}
_DEFAULTS: dict[str, str | float | bool] = {"scheduler": "normal"}


def image_slots(count: int) -> list[str]:
    """The slots of so many images: `image`, `image_2` and so on."""
    return ["image", *(f"image_{number}" for number in range(2, count + 1))][:count]


def check_values(request: ImageRequest, workflow: Workflow, options: ComfyOptions) -> None:
    """Raise Unsupported for what the workflow has no slot for, InvalidRequest for wrong values."""
    check_parameters(request)
    needed = {slot: name for name, slot in _NEEDS.items() if getattr(request, name) is not None}
    if request.images:
        needed.pop("width", None)  # the result is scaled
    needed |= dict.fromkeys(image_slots(len(request.images)), "image")
    if request.variant is not None:
        needed["checkpoint"] = "model"
    if request.quality in QUALITIES and request.steps is None:
        needed["steps"] = "quality"
    if request.fidelity == "high" and request.strength is None:
        needed["strength"] = "input_fidelity"
    for slot, name in needed.items():
        if slot not in workflow.slots:
            raise _no_slot(name, slot)
    if "checkpoint" in workflow.slots and request.variant is None and options.checkpoint is None:
        raise EngineFailed("This model is not configured: it has no `checkpoint`.")
    for name, value in request.extra.items():
        _check_extra(name, value, workflow, options)


def _check_extra(name: str, value: Any, workflow: Workflow, options: ComfyOptions) -> None:
    defaults = {**_DEFAULTS, **options.slots}
    if name not in defaults:
        raise unknown_parameter(name)
    if name not in workflow.slots:
        raise _no_slot(name, name)
    default = defaults[name]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number if type(default) in (int, float) else type(value) is type(default)):
        noun = "true or false" if isinstance(default, bool) else "a number"
        raise invalid_value(name, f"it must be {'a text' if isinstance(default, str) else noun}")


def _no_slot(param: str, slot: str) -> Unsupported:
    return Unsupported(
        f"This model does not support '{param}': its workflow has no slot for it.",
        code="unsupported_parameter",
        param=param,
    )


def slot_values(
    request: ImageRequest, options: ComfyOptions, index: int, files: Mapping[str, str]
) -> dict[str, Any]:
    """A value for every slot that this server knows. `files` are the uploaded images by slot."""
    width, height = whole_steps(request.size or (512, 512))
    number = seed(request, index)
    checkpoint = options.checkpoint if request.variant is None else request.variant
    return {
        **_DEFAULTS,
        **options.slots,
        **request.extra,
        **files,
        "prompt": request.prompt,
        "negative_prompt": _or(request.negative_prompt, options.negative_prompt),
        "seed": random.randint(0, MAX_SEED) if number is None else number,
        "steps": steps(request, options.steps),
        "guidance_scale": _or(request.guidance_scale, options.guidance_scale),
        "sampler": _or(request.sampler, options.sampler),
        "strength": strength(request, options.strength),
        "width": width,
        "height": height,
        **({} if checkpoint is None else {"checkpoint": checkpoint}),
    }


def known_slots(options: ComfyOptions) -> frozenset[str]:
    """The names of the slots that always have a value, besides those of images."""
    blank = ImageRequest(prompt="")
    return frozenset(slot_values(blank, options, 0, {})) | {"checkpoint"}


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value
