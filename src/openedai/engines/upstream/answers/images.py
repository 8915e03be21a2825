"""Reads the images of an upstream, whole or streamed, as values of the contract."""

from __future__ import annotations

import base64
import binascii

import msgspec

from openedai.contract.images import ImageUsage
from openedai.engines.upstream.answers.problems import MalformedAnswer, ReportedError, ignored
from openedai.images.bad_image import BadImage
from openedai.images.formats import SNIFF_BYTES, media_type

MAX_IMAGE = 64 << 20  # bytes, in base64 or not
_DATA_URL = "data:"


class InputDetails(msgspec.Struct):
    text_tokens: int | None = None
    image_tokens: int | None = None


class ImageTokens(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: InputDetails | None = None

    def usage(self) -> ImageUsage:
        """The counts as the contract has them: missing ones are 0, and none is negative."""
        details = self.input_tokens_details or InputDetails(text_tokens=self.input_tokens)
        return ImageUsage(
            input_text_tokens=max(0, details.text_tokens or 0),
            input_image_tokens=max(0, details.image_tokens or 0),
            output_tokens=max(0, self.output_tokens or 0),
        )


class ImageItem(ReportedError):
    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None


class ImagesBody(msgspec.Struct):
    data: list[ImageItem]
    usage: ImageTokens | None = None


class ImageChunk(ImageItem):
    """One event of a stream."""

    type: str = ""
    partial_image_index: int | None = None
    usage: ImageTokens | None = None


def requested_images(answer: ImagesBody, count: int) -> list[ImageItem]:
    """The first `count` images. Raises MalformedAnswer if there is none, and Unsupported if there
    are too few.
    """
    if not answer.data:
        raise MalformedAnswer("answered without an image")
    if len(answer.data) < count:
        raise ignored("n")
    return answer.data[:count]


def added(usage: ImageUsage | None, tokens: ImageTokens | None) -> ImageUsage | None:
    """The usage of the images so far, with that of one more."""
    if tokens is None:
        return usage
    more = tokens.usage()
    if usage is None:
        return more
    return ImageUsage(
        input_text_tokens=usage.input_text_tokens + more.input_text_tokens,
        input_image_tokens=usage.input_image_tokens + more.input_image_tokens,
        output_tokens=usage.output_tokens + more.output_tokens,
    )


def image_in(item: ImageItem) -> bytes | None:
    """The image file in the item; None if it has only the URL of one. Raises MalformedAnswer."""
    if not (item.b64_json or item.url):
        raise MalformedAnswer("answered without an image")
    text = item.b64_json or ""
    if not text and item.url and item.url.startswith(_DATA_URL):
        text = item.url
    if text.startswith(_DATA_URL):
        text = text.partition(",")[2]
    if not text:
        return None
    try:
        return checked_image(base64.b64decode(text, validate=True))
    except binascii.Error:
        raise MalformedAnswer("answered with an image that cannot be read") from None


def checked_image(raw: bytes) -> bytes:
    """The file itself, if it begins like an image. Raises MalformedAnswer."""
    try:
        media_type(raw[:SNIFF_BYTES])
    except BadImage:
        raise MalformedAnswer("answered with something that is no image") from None
    return raw
