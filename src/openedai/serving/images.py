"""Images of a conversation: whether the model sees, getting them, and their places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from openedai.config import ModelSpec
from openedai.contract.chat import Chat, Image
from openedai.contract.engine import Generator
from openedai.contract.generate import GenerateRequest
from openedai.engines.registry import engine_class
from openedai.errors import NoVision
from openedai.media.images import ImageRef, LoadedImage
from openedai.serving.services import Services


@dataclass(frozen=True)
class Pictured:
    """An image in message number `message`, behind `at` characters of its content.

    For errors, `param` is where its URL stood, and `kind` what says that it is an image.
    """

    message: int
    at: int
    url: str
    detail: str
    param: str
    kind: str


async def illustrated(
    here: Services,
    spec: ModelSpec,
    wanted: Sequence[GenerateRequest],
    pictures: Sequence[Pictured],
) -> list[GenerateRequest]:
    """What is wanted, of one conversation, with its images in it.

    Raises InvalidRequest for an image that cannot be had, and NoVision, before any is
    fetched, for a model that does not see.
    """
    if not pictures:
        return list(wanted)
    references = [ImageRef(one.url, one.param) for one in pictures]
    found = await load_images(here, spec, references, kind=pictures[0].kind)
    images = [
        Image(raw=file.raw, media_type=file.media_type, at=one.at, detail=one.detail)
        for one, file in zip(pictures, found, strict=True)
    ]
    return [_with_images(request, pictures, images) for request in wanted]


async def load_images(
    here: Services, spec: ModelSpec, references: Sequence[ImageRef], *, kind: str
) -> list[LoadedImage]:
    """The images of a request for a model that sees. `kind` is what names the first as an image.

    Raises InvalidRequest for an image that cannot be had, and NoVision, before any is fetched.
    """
    engine = engine_class(spec.engine)
    if not (issubclass(engine, Generator) and engine.supports_images(spec.options)):
        raise NoVision(spec.id, param=kind)
    return await here.images.load_all(references)


def _with_images(
    request: GenerateRequest, pictures: Sequence[Pictured], images: Sequence[Image]
) -> GenerateRequest:
    assert isinstance(request.prompt, Chat)
    messages = list(request.prompt.messages)
    for one, image in zip(pictures, images, strict=True):
        message = messages[one.message]
        messages[one.message] = replace(message, images=(*message.images, image))
    return replace(request, prompt=replace(request.prompt, messages=tuple(messages)))
