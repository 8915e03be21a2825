"""A request for an image as the JSON that `txt2img` and `img2img` take."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from openedai.contract.images import ImageRequest
from openedai.engines.a1111.options import A1111Options
from openedai.engines.image_server.image_files import encode, whole_steps
from openedai.engines.image_server.parameters import (
    MAX_SEED,
    check_parameters,
    seed,
    steps,
    strength,
    unknown_parameter,
)
from openedai.engines.remote.connection import RemoteRequest
from openedai.errors import Unsupported, invalid_value

Fields = dict[str, Any]


class Extras(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The parameters of requests that are specific to this engine, by the web UI's names."""

    scheduler: str | None = None
    clip_skip: Annotated[int, Meta(ge=1, le=12)] | None = None
    styles: tuple[str, ...] | None = None
    tiling: bool | None = None
    restore_faces: bool | None = None
    subseed: Annotated[int, Meta(ge=-1, le=MAX_SEED)] | None = None
    subseed_strength: Annotated[float, Meta(ge=0, le=1)] | None = None
    distilled_cfg_scale: Annotated[float, Meta(ge=0, le=100)] | None = None
    mask_blur: Annotated[int, Meta(ge=0, le=64)] | None = None
    inpainting_fill: Literal[0, 1, 2, 3] | None = None
    inpaint_full_res: bool | None = None
    inpaint_full_res_padding: Annotated[int, Meta(ge=0, le=256)] | None = None


def check(request: ImageRequest) -> Extras:
    """The extras of a request. Raises Unsupported and InvalidRequest for what cannot be done."""
    check_parameters(request)
    if len(request.images) > 1:
        raise Unsupported(
            "This model takes one image at a time.", code="unsupported_value", param="image"
        )
    return _extras(request.extra)


def _extras(extra: Fields) -> Extras:
    for name, value in extra.items():
        if name not in Extras.__struct_fields__:
            raise unknown_parameter(name)
        try:
            msgspec.convert({name: value}, Extras)
        except msgspec.ValidationError:
            raise invalid_value(name, "the web UI does not take this value") from None
    return msgspec.convert(extra, Extras)


def image_request(
    request: ImageRequest, options: A1111Options, checkpoint: str | None, index: int, task: str
) -> RemoteRequest:
    """The request for the image at `index`, known to the server as `task`."""
    extras = check(request)
    size = whole_steps(request.size or (512, 512))
    settings = _settings(extras, checkpoint)
    given = options.parameters.get("override_settings", {})
    fields: Fields = {
        **options.parameters,
        **_given(extras),
        "prompt": request.prompt,
        "negative_prompt": _or(request.negative_prompt, options.negative_prompt),
        "seed": _or(seed(request, index), -1),
        "steps": steps(request, options.steps),
        "cfg_scale": _or(request.guidance_scale, options.guidance_scale),
        "width": size[0],
        "height": size[1],
        "n_iter": 1,
        "batch_size": 1,
        "send_images": True,
        "save_images": False,
        "override_settings": {**given, **settings},
        # Otherwise the web UI would load the former checkpoint again after every image.
        "override_settings_restore_afterwards": checkpoint is None,
        "force_task_id": task,
    }
    sampler = _or(request.sampler, options.sampler)
    if sampler is not None:
        fields["sampler_name"] = sampler
    if not request.images:
        return RemoteRequest("sdapi/v1/txt2img", fields, "prompt")
    fields = {"inpainting_fill": 1, **fields, **_image_fields(request, options)}
    return RemoteRequest("sdapi/v1/img2img", fields, "image")


def _image_fields(request: ImageRequest, options: A1111Options) -> Fields:
    fields: Fields = {
        "init_images": [encode(request.images[0])],
        "denoising_strength": strength(request, options.strength),
        "resize_mode": 0,
    }
    if request.mask is not None:
        fields |= {"mask": encode(request.mask), "inpainting_mask_invert": 0}
    return fields


def _given(extras: Extras) -> Fields:
    fields: Fields = msgspec.to_builtins(extras)
    fields.pop("clip_skip", None)
    return fields


def _settings(extras: Extras, checkpoint: str | None) -> Fields:
    """The settings of the web UI that differ for this image. The image format is never among them:
    the server's own is accepted.
    """
    settings: Fields = {}
    if checkpoint is not None:
        settings["sd_model_checkpoint"] = checkpoint
    if extras.clip_skip is not None:
        settings["CLIP_stop_at_last_layers"] = extras.clip_skip
    return settings


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value
