"""The sizes of generated images."""

from __future__ import annotations

import re

from openedai.errors import invalid_value
from openedai.images.formats import MAX_ASPECT_RATIO

MIN_SIDE, MAX_SIDE = 16, 4096
MAX_PIXELS = 3840 * 2160
_SIZE = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")


def image_size(size: str | None, param: str) -> tuple[int, int] | None:
    """Width and height in pixels; None for the model's choice. Raises InvalidRequest."""
    if size in (None, "auto"):
        return None
    match = _SIZE.fullmatch(size or "")
    if match is None:
        raise invalid_value(param, "expected 'auto', or width and height as in '1024x1024'")
    width, height = int(match[1]), int(match[2])
    if not all(MIN_SIDE <= side <= MAX_SIDE for side in (width, height)):
        raise invalid_value(param, f"each side must have {MIN_SIDE} to {MAX_SIDE} pixels")
    if max(width, height) > MAX_ASPECT_RATIO * min(width, height):
        raise invalid_value(param, f"one side may be {MAX_ASPECT_RATIO} times as long as the other")
    if width * height > MAX_PIXELS:
        raise invalid_value(param, f"an image may have {MAX_PIXELS} pixels, as '3840x2160' has")
    return width, height
