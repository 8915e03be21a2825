"""The pictures of a conversation, loaded before anything is made of it."""

from __future__ import annotations

from collections.abc import Iterable

from openedai.api.anthropic.blocks import Base64Image, ImageBlock, UrlImage
from openedai.api.anthropic.conversation import Pictures
from openedai.config import ModelSpec
from openedai.contract.chat import Image
from openedai.media.images import ImageRef
from openedai.serving.images import load_images
from openedai.serving.services import Services


async def load_pictures(
    here: Services, spec: ModelSpec, blocks: Iterable[tuple[str, ImageBlock]]
) -> Pictures:
    """Raises InvalidRequest for a picture that cannot be had, or a model that does not see."""
    found = dict(blocks)
    if not found:
        return {}
    references = [_reference(where, block) for where, block in found.items()]
    pictures = await load_images(here, spec, references, kind=f"{next(iter(found))}.type")
    return {
        where: Image(raw=picture.raw, media_type=picture.media_type, at=0)
        for where, picture in zip(found, pictures, strict=True)
    }


def _reference(where: str, block: ImageBlock) -> ImageRef:
    match block.source:
        case Base64Image(media_type=kind, data=data):
            return ImageRef(f"data:{kind};base64,{data}", f"{where}.source.data")
        case UrlImage(url=url):
            return ImageRef(url, f"{where}.source.url")
        case _:
            raise AssertionError("other sources are refused when they are parsed")
