"""Requests for images with the official client, and checks of their answers.

Each answer and each event of a stream is checked against the client's own types, strictly.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

from openai.types import (
    ImageEditCompletedEvent,
    ImageEditPartialImageEvent,
    ImageGenCompletedEvent,
    ImageGenPartialImageEvent,
    ImagesResponse,
)
from PIL import Image
from pydantic import BaseModel

from tests.images.files import pixels_of
from tests.support import Running, fetch

EVENTS: dict[str, type[BaseModel]] = {
    "image_generation.partial_image": ImageGenPartialImageEvent,
    "image_generation.completed": ImageGenCompletedEvent,
    "image_edit.partial_image": ImageEditPartialImageEvent,
    "image_edit.completed": ImageEditCompletedEvent,
}


def checked(answer: ImagesResponse) -> list[Image.Image]:
    """The images of an answer in base64. Each has the size and format that the answer states."""
    values = answer.to_dict()
    assert not ImagesResponse.model_validate(values, strict=True).model_extra
    assert answer.data
    images = [decoded(one.b64_json) for one in answer.data]
    for image in images:
        assert f"{image.width}x{image.height}" == answer.size
        assert (image.format or "").lower() == answer.output_format
    return images


def checked_events(events: Iterable[Any]) -> list[dict[str, Any]]:
    """The events of a stream, with their images as `image`."""
    found = []
    for event in events:
        values = event.to_dict()
        assert not EVENTS[values["type"]].model_validate(values, strict=True).model_extra
        image = decoded(values.pop("b64_json"))
        assert f"{image.width}x{image.height}" == values["size"]
        assert (image.format or "").lower() == values["output_format"]
        found.append({**values, "image": image})
    return found


def decoded(data: str | None) -> Image.Image:
    assert data
    return pixels_of(base64.b64decode(data, validate=True))


def post(server: Running, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Status and body of a request in JSON."""
    import json

    answer = fetch(f"{server.url}/v1/images/{path}", "POST", json=body)
    return answer.status, json.loads(answer.body)


def refusal(status: int, body: dict[str, Any]) -> tuple[int, str | None, str | None]:
    """Status, code and parameter of an error, whose text has no internals of libraries."""
    error = body["error"]
    words = ("Traceback", "PIL", "Pillow", "pydantic", "python", "libpng", "0x7f", "<_io", "Error:")
    assert not any(word in error["message"] for word in words), error["message"]
    assert error["message"].endswith((".", ")")), error["message"]
    return status, error["code"], error["param"]
