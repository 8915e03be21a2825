"""The images that the fake image servers make: quick, and different for each request.

An image depends on the prompts, the seed, the model, the size and the steps done; it honours an
image to start from, the strength of the change and a mask.
"""

from __future__ import annotations

import base64
import hashlib
import io
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFilter, PngImagePlugin


@dataclass(frozen=True)
class FakeImage:
    """What is to be made. The `mask` is white where the image may change."""

    prompt: str
    negative_prompt: str = ""
    seed: int = 0
    model: str = ""
    width: int = 512
    height: int = 512
    steps: int = 20
    image: Image.Image | None = None
    mask: Image.Image | None = None
    strength: float = 1.0
    mask_blur: int = 0

    def paint(self, steps_done: int | None = None) -> Image.Image:
        """The image after some of its steps: grey at first, whole by default."""
        done = self.steps if steps_done is None else steps_done
        size = (self.width, self.height)
        painted = Image.blend(
            Image.new("RGB", size, "grey"), self._finished(size), done / max(1, self.steps)
        )
        if self.image is None:
            return painted
        start = self.image.convert("RGB").resize(size)
        changed = Image.blend(start, painted, self.strength)
        if self.mask is None:
            return changed
        mask = self.mask.convert("L").resize(size)
        if self.mask_blur:
            mask = mask.filter(ImageFilter.GaussianBlur(self.mask_blur))
        return Image.composite(changed, start, mask)

    def _finished(self, size: tuple[int, int]) -> Image.Image:
        text = "\0".join([self.prompt, self.negative_prompt, str(self.seed), self.model])
        colours = hashlib.sha256(text.encode()).digest()
        image = Image.new("RGB", size, tuple(colours[:3]))
        corner = (colours[6] * size[0] // 512, colours[7] * size[1] // 512)
        ends = (corner[0] + size[0] // 2, corner[1] + size[1] // 2)
        ImageDraw.Draw(image).ellipse((*corner, *ends), fill=tuple(colours[3:6]))
        return image


def png(image: Image.Image, text: dict[str, str] | None = None) -> bytes:
    """A PNG file; `text` is its metadata."""
    info = PngImagePlugin.PngInfo()
    for name, value in (text or {}).items():
        info.add_text(name, value)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG")
    return buffer.getvalue()


def encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def decode(text: str) -> Image.Image:
    """An image from base64 or a data URL. Raises ValueError or OSError."""
    if text.startswith("data:image/"):
        text = text.split(";")[1].split(",")[1]
    return decode_bytes(base64.b64decode(text))


def decode_bytes(data: bytes) -> Image.Image:
    """The image in a file. Raises OSError."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image
