"""Requests for images, as servers with the OpenAI API take them."""

from __future__ import annotations

from openedai.contract.images import ImageRequest
from openedai.engines.remote.connection import RemoteRequest
from openedai.engines.remote.form import Form, FormFile
from openedai.engines.upstream.request import with_extra
from openedai.engines.upstream.servers import Fields, ServerProfile
from openedai.images.masks import file_of_mask

_PATHS = {"generate": "images/generations", "edit": "images/edits", "vary": "images/variations"}


def image_request(request: ImageRequest, model: str, profile: ServerProfile) -> RemoteRequest:
    """The request for images by `model`, the upstream's name. Encodes the mask.

    Raises Unsupported for what the server does not support, and InvalidRequest.
    """
    fields: Fields = {"model": model, "n": request.count, **profile.base64_images}
    if request.task != "vary":
        fields["prompt"] = request.prompt
    if request.size is not None:
        fields["size"] = "{}x{}".format(*request.size)
    fields |= _official(request) | _local(request, profile)
    if request.partial_images:
        fields |= {"stream": True, "partial_images": request.partial_images}
    fields = with_extra(fields, request.extra)
    path = _PATHS[request.task]
    if request.task == "generate":
        return RemoteRequest(path, fields, "prompt")
    return RemoteRequest(path, None, "image", form=Form(fields, tuple(_files(request))))


def _official(request: ImageRequest) -> Fields:
    fields: Fields = {
        "output_compression": request.compression,
        "quality": request.quality,
        "style": request.style,
        "background": request.background,
        "input_fidelity": request.fidelity,
        "moderation": request.moderation,
    }
    if request.format != "png":
        fields["output_format"] = request.format
    return {name: value for name, value in fields.items() if value is not None}


def _local(request: ImageRequest, profile: ServerProfile) -> Fields:
    """The parameters that only some models have, by the server's names."""
    fields: Fields = {
        "negative_prompt": request.negative_prompt,
        "steps": request.steps,
        "guidance_scale": request.guidance_scale,
        "seed": request.seed,
        "strength": request.strength,
        "sampler": request.sampler,
    }
    given = {name: value for name, value in fields.items() if value is not None}
    for name in given:
        if name not in profile.image_names:
            raise profile.unsupported(name)
    return {profile.image_names[name]: value for name, value in given.items()}


def _files(request: ImageRequest) -> list[FormFile]:
    """The files of a request. Variations have no mask in the API: the caller restores what a mask
    protects.
    """
    name = "image[]" if len(request.images) > 1 else "image"
    files = [FormFile(name, f"image-{n}.png", raw) for n, raw in enumerate(request.images, 1)]
    if request.mask is not None and request.task == "edit":
        files.append(FormFile("mask", "mask.png", file_of_mask(request.mask)))
    return files
