"""Pictures of one shape in one colour on white: drawn, and recognised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 64
WHITE = (255, 255, 255)
COLOURS = {"red": (220, 40, 40), "green": (40, 170, 60), "blue": (40, 80, 220)}
SHAPES = ("circle", "square", "triangle")

_SAMPLES = 4  # of each pixel's side, so that edges are smooth


@dataclass(frozen=True)
class Shape:
    """A shape; the centre and half of the height are in pixels."""

    colour: str
    shape: str
    x: float = SIDE / 2
    y: float = SIDE / 2
    radius: float = 18.0

    @property
    def caption(self) -> str:
        return f"a {self.colour} {self.shape}"


def draw(shape: Shape, side: int = SIDE) -> NDArray[np.uint8]:
    """The picture: [side, side, 3]."""
    axis = (np.arange(side * _SAMPLES) + 0.5) / _SAMPLES
    inside = _inside(shape, axis[None, :], axis[:, None])
    share = inside.reshape(side, _SAMPLES, side, _SAMPLES).mean((1, 3))[..., None]
    colour, white = np.array(COLOURS[shape.colour]), np.array(WHITE)
    return np.asarray(share * colour + (1 - share) * white).round().astype(np.uint8)


def _inside(shape: Shape, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.bool_]:
    x, y = x - shape.x, y - shape.y
    if shape.shape == "circle":
        return np.asarray(x**2 + y**2 <= shape.radius**2)
    if shape.shape == "square":
        return np.asarray(np.maximum(abs(x), abs(y)) <= shape.radius)
    return np.asarray((abs(y) <= shape.radius) & (2 * abs(x) <= y + shape.radius))


def recognise(image: Image.Image) -> str:
    """The caption of a picture: its most frequent colour, and the shape that overlaps most with
    the pixels in this colour, if it has their centre and area.
    """
    pixels = np.asarray(image.convert("RGB"), np.float32)
    palette = np.array([WHITE, *COLOURS.values()], np.float32)
    nearest = ((pixels[:, :, None] - palette) ** 2).sum(-1).argmin(-1)
    counts = np.bincount(nearest.ravel(), minlength=len(palette))
    if not counts[1:].any():
        return "nothing"
    number = int(counts[1:].argmax())
    coloured, colour = nearest == number + 1, list(COLOURS)[number]
    rows, columns = np.nonzero(coloured)
    x, y, area = columns.mean(), rows.mean(), counts[number + 1]
    candidates = (
        Shape(colour, "circle", x, y, np.sqrt(area / np.pi)),
        Shape(colour, "square", x, y, np.sqrt(area) / 2),
        # Its centre of gravity is below the middle of its height.
        Shape(colour, "triangle", x, y - np.sqrt(area / 2) / 3, np.sqrt(area / 2)),
    )
    width, height = np.arange(coloured.shape[1]), np.arange(coloured.shape[0])
    overlaps = [
        (coloured & _inside(candidate, width[None, :], height[:, None])).sum()
        for candidate in candidates
    ]
    return candidates[int(np.argmax(overlaps))].caption
