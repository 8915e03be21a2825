"""The body of `POST /v1/moderations`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field

from openedai.api.parameters.generation.prompt import MAX_CHARACTERS
from openedai.api.parameters.unions import BY_TYPE, branch
from openedai.http.body import Body
from openedai.http.validation import TAG
from openedai.media.images import ImageRef

MAX_INPUTS = 2048

Moderated = Annotated[str, Field(max_length=MAX_CHARACTERS)]


class TextPart(Body):
    type: Literal["text"]
    text: Moderated


class ImageURL(Body):
    url: str


class ImagePart(Body):
    type: Literal["image_url"]
    image_url: ImageURL


class OtherPart(Body):
    """Gives the error for an unknown part."""

    type: Literal["text", "image_url"]


Part = Annotated[TextPart | ImagePart | OtherPart, BY_TYPE]


def _input_type(value: object) -> str:
    """The branch of an input; a list of anything but objects counts as texts."""
    if isinstance(value, str):
        return f"{TAG}a string"
    if not isinstance(value, list):
        return f"{TAG}something else"
    if value and isinstance(value[0], dict | Body):
        return f"{TAG}an array of parts"
    return f"{TAG}an array of strings"


Input = Annotated[
    Annotated[str, Field(max_length=MAX_CHARACTERS), branch("a string")]
    | Annotated[
        list[Moderated],
        Field(min_length=1, max_length=MAX_INPUTS),
        branch("an array of strings"),
    ]
    | Annotated[
        list[Part],
        Field(min_length=1, max_length=MAX_INPUTS),
        branch("an array of parts"),
    ],
    Discriminator(_input_type),
]


class ModerationRequest(Body):
    passthrough_fields = frozenset[str]()

    input: Input
    model: str | None = None

    def texts(self) -> list[list[str]]:
        """The texts of each result; parts share a single result."""
        if isinstance(self.input, str):
            return [[self.input]]
        texts = [[text] for text in self.input if isinstance(text, str)]
        return texts or [[part.text for part in self.input if isinstance(part, TextPart)]]

    def image_refs(self) -> list[ImageRef]:
        """The images among the parts, in order."""
        if isinstance(self.input, str):
            return []
        return [
            ImageRef(part.image_url.url, f"input[{index}].image_url.url", f"input[{index}].type")
            for index, part in enumerate(self.input)
            if isinstance(part, ImagePart)
        ]
