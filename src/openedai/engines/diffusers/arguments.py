"""The arguments that a pipeline is called with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from openedai.contract.images import ImageRequest
from openedai.engines.diffusers.options import DiffusersOptions
from openedai.engines.diffusers.plan import Plan
from openedai.errors import Unsupported

if TYPE_CHECKING:
    from PIL import Image

_BLANK = (127, 127, 127)
# The names of the request's parameters, and those of the pipelines.
_NAMES = {
    "negative_prompt": "negative_prompt",
    "guidance_scale": "guidance_scale",
    "steps": "num_inference_steps",
    "strength": "strength",
}


def settings(
    accepted: Mapping[str, Any], request: ImageRequest, plan: Plan, options: DiffusersOptions
) -> dict[str, Any]:
    """All but the images. `accepted` are the pipeline's parameters with their defaults.

    Raises Unsupported for a parameter of the request that the pipeline does not have.
    """
    for name, theirs in _NAMES.items():
        if getattr(request, name) is not None and not _has(accepted, theirs):
            raise Unsupported(
                f"Unsupported parameter: '{name}' is not supported by this model.",
                code="unsupported_parameter",
                param=name,
            )
    width, height = plan.computed_size
    values = {
        "prompt": request.prompt,
        "negative_prompt": _either(request.negative_prompt, options.negative_prompt),
        "guidance_scale": _either(request.guidance_scale, options.guidance_scale),
        "num_inference_steps": plan.steps,
        "strength": None if plan.task == "text" else plan.strength,
        "width": width,
        "height": height,
    }
    return {
        name: value for name, value in values.items() if value is not None and _has(accepted, name)
    }


def image_arguments(
    request: ImageRequest, plan: Plan, source: Image.Image | None
) -> dict[str, Any]:
    """The images, in the size that is computed. Without a mask, inpainting may change all."""
    from PIL import Image

    from openedai.images.decode import opened

    if plan.task == "text":
        return {}
    if source is None:
        image = Image.new("RGB", plan.computed_size, _BLANK)
    else:
        image = _on_white(source).resize(plan.computed_size, Image.Resampling.LANCZOS)
    if plan.task == "image":
        return {"image": image}
    if request.mask is None:
        mask = Image.new("L", plan.computed_size, 255)
    else:
        mask = opened(request.mask).resize(plan.computed_size, Image.Resampling.NEAREST)
    return {"image": image, "mask_image": mask}


def _has(accepted: Mapping[str, Any], name: str) -> bool:
    """Whether the pipeline has a parameter, and the parameter has an effect.

    In some pipelines a second scale has to switch the negative prompt on.
    """
    second_scale = accepted.get("true_cfg_scale")
    if name == "negative_prompt" and isinstance(second_scale, (int, float)) and second_scale <= 1:
        return False
    return name in accepted


def _either(value: Any, default: Any) -> Any:
    return default if value is None else value


def _on_white(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode != "RGBA":
        return image.convert("RGB")
    ground = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(ground, image).convert("RGB")
