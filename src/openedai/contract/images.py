"""Making images: requests and the events of their progress."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from openedai.contract.struct import Struct

ImageFormat = Literal["png", "jpeg", "webp"]
ImageTask = Literal["generate", "edit", "vary"]


class ImageRequest(Struct, frozen=True):
    """A request for `count` images.

    - `images`: the image files to edit or to vary, in PNG, upright, in RGB or RGBA
    - `mask`: a PNG file in grey, of the size of the first image: white is what may change, black
      must stay as it is, to the pixel
    - `size`: width and height in pixels; None is the engine's choice: for an edit or a variation
      the size of the first image. An engine that cannot make it makes a near size, in about the
      same proportions: the server scales and crops the image
    - `format`, `compression`: what the client wants, for an engine that passes them on; others
      return PNG, and the server converts it
    - `quality`, `style`, `background`, `fidelity`, `moderation`: the official parameters as the
      client sent them; None for the engine's default. An engine refuses what it cannot honour,
      unless the documentation says that it has no effect
    - `partial_images`: the number of previews of each image
    - `negative_prompt` to `sampler`: parameters that diffusion models understand; None is the
      model's default. `strength` is how far an edit or variation may depart from its image, from
      0 to 1. The image at index i is made with `seed` + i
    - `variant`, `extra`: as in `GenerateRequest`
    """

    prompt: str
    task: ImageTask = "generate"
    count: int = 1
    size: tuple[int, int] | None = None
    images: tuple[bytes, ...] = ()
    mask: bytes | None = None
    format: ImageFormat = "png"
    compression: int | None = None
    quality: str | None = None
    style: str | None = None
    background: str | None = None
    fidelity: str | None = None
    moderation: str | None = None
    partial_images: int = 0
    negative_prompt: str | None = None
    steps: int | None = None
    guidance_scale: float | None = None
    seed: int | None = None
    strength: float | None = None
    sampler: str | None = None
    variant: str | None = None
    extra: dict[str, Any] = msgspec.field(default_factory=dict)


class PartialImage(Struct, frozen=True, tag="partial_image"):
    """A preview of the image at `index`: its `number` counts from 0.

    `data` is a PNG, JPEG or WebP file.
    """

    index: int
    number: int
    data: bytes


class MadeImage(Struct, frozen=True, tag="made_image"):
    """The image at `index`, in order: a PNG, JPEG or WebP file."""

    index: int
    data: bytes
    revised_prompt: str | None = None


class ImageUsage(Struct, frozen=True):
    """Tokens, as an upstream counts them."""

    input_text_tokens: int = 0
    input_image_tokens: int = 0
    output_tokens: int = 0


class ImagesFinish(Struct, frozen=True, tag="images_finish"):
    """The last event. `usage` is None for an engine that counts no tokens."""

    usage: ImageUsage | None = None


ImageEvent = PartialImage | MadeImage | ImagesFinish
