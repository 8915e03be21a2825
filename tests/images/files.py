"""Image files for tests, and the pixels of files."""

from __future__ import annotations

import io
import random
from typing import Any

from PIL import Image


def file_of(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The image as Pillow writes it."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def pixels_of(raw: bytes) -> Image.Image:
    """The pixels of a file, with its mode."""
    image = Image.open(io.BytesIO(raw))
    image.load()
    return image


def noise(width: int, height: int, seed: int = 1, mode: str = "RGB") -> Image.Image:
    """An image of random pixels."""
    size = width * height * len(mode)
    return Image.frombytes(mode, (width, height), random.Random(seed).randbytes(size))
