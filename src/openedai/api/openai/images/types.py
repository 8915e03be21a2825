"""The bodies of the URLs below `/v1/images`."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import Discriminator, Field

from openedai.api.parameters.image_sizes import image_size
from openedai.api.parameters.unions import branch
from openedai.contract.images import ImageFormat, ImageRequest
from openedai.errors import invalid_value, missing_parameter
from openedai.http.body import Body, Refused, UnsupportedValues
from openedai.http.upload import Upload
from openedai.http.validation import TAG
from openedai.serving.files.kept import FileId
from openedai.serving.images.inputs import ImageInput, ImageSources

MAX_COUNT = 10
MAX_PROMPT = 32_000
MAX_SOURCES = 16
MAX_SEED = (1 << 53) - 1
# Names of the models whose images are always sent in base64.
_GPT_IMAGE = ("gpt-image-", "chatgpt-image-")


class ImageBody(Body):
    """What all three have in common. The parameters from `negative_prompt` onwards are our own."""

    passthrough_fields: ClassVar[frozenset[str]] = frozenset({"user"})

    model: str | None = Field(None, min_length=1)
    n: int | None = Field(None, ge=1, le=MAX_COUNT)
    response_format: Literal["url", "b64_json"] | None = None
    size: str | None = None
    user: str | None = None
    negative_prompt: str | None = Field(None, max_length=MAX_PROMPT)
    steps: int | None = Field(None, ge=1, le=1000)
    guidance_scale: float | None = Field(None, ge=0, le=100)
    seed: int | None = Field(None, ge=0, le=MAX_SEED)
    sampler: str | None = Field(None, min_length=1, max_length=100)

    @property
    def pixels(self) -> tuple[int, int] | None:
        """Width and height; None for the model's choice. Raises InvalidRequest."""
        return image_size(self.size, "size")

    @property
    def for_gpt_image(self) -> bool:
        """Whether the client expects the API of the GPT image models, by the model's name."""
        return (self.model or "").startswith(_GPT_IMAGE)

    @property
    def wants_urls(self) -> bool:
        if self.response_format is not None:
            return self.response_format == "url"
        return not self.for_gpt_image

    def check(self) -> None:
        self.pixels  # noqa: B018

    def common(self) -> dict[str, Any]:
        """Fields of an `ImageRequest`."""
        return {
            "count": self.n or 1,
            "size": self.pixels,
            "negative_prompt": self.negative_prompt,
            "steps": self.steps,
            "guidance_scale": self.guidance_scale,
            "seed": self.seed,
            "sampler": self.sampler,
            "extra": self.extra,
        }


class PromptedBody(ImageBody):
    """What generations and edits have in common."""

    passthrough_fields = frozenset(
        {"user", "safety_identifier", "complexity", "frame_count", "frame_duration_ms", "svg"}
    )

    prompt: str = Field(min_length=1, max_length=MAX_PROMPT)
    background: Literal["transparent", "opaque", "auto"] | None = None
    output_compression: int | None = Field(None, ge=0, le=100)
    output_format: Annotated[
        Literal["png", "webp", "jpeg", "gif", "svg"] | None, UnsupportedValues("gif", "svg")
    ] = None
    partial_images: int | None = Field(None, ge=0, le=3)
    quality: Literal["low", "medium", "high", "xhigh", "max", "auto", "standard", "hd"] | None = (
        None
    )
    safety_identifier: str | None = None
    stream: bool | None = None
    complexity: Refused = None
    frame_count: Refused = None
    frame_duration_ms: Refused = None
    svg: Refused = None

    @property
    def format(self) -> ImageFormat:
        return cast("ImageFormat", self.output_format or "png")

    @property
    def wants_urls(self) -> bool:
        return super().wants_urls and not self.stream

    def check(self) -> None:
        super().check()
        if not self.prompt.strip():
            raise invalid_value("prompt", "it cannot be empty")
        if self.format == "png" and self.output_compression not in (None, 100):
            raise invalid_value("output_compression", "it is for the formats 'jpeg' and 'webp'")
        if self.format == "jpeg" and self.background == "transparent":
            raise invalid_value("background", "the format 'jpeg' cannot be transparent")
        if self.stream and self.response_format == "url":
            raise invalid_value("response_format", "streamed images are sent in base64")
        if self.partial_images and not self.stream:
            raise invalid_value("partial_images", "they are for streams")

    def common(self) -> dict[str, Any]:
        return {
            **super().common(),
            "prompt": self.prompt,
            "format": self.format,
            "compression": None if self.format == "png" else self.output_compression,
            "quality": _unless_auto(self.quality),
            "background": _unless_auto(self.background),
            "partial_images": self.partial_images or 0,
        }


class ImageGenerationRequest(PromptedBody):
    moderation: Literal["low", "auto"] | None = None
    style: Literal["vivid", "natural"] | None = None

    def to_engine_request(self) -> ImageRequest:
        return ImageRequest(
            **self.common(), style=self.style, moderation=_unless_auto(self.moderation)
        )


class ImageReference(Body):
    """An image that the body of an edit refers to."""

    image_url: str | None = None
    file_id: str | None = None

    def input(self, param: str) -> ImageInput:
        """The image that `param` refers to. Raises InvalidRequest unless it gives exactly one of
        the two.
        """
        if self.file_id is not None:
            if self.image_url is not None:
                raise invalid_value(f"{param}.file_id", "it cannot be set with 'image_url'")
            return ImageInput(FileId(self.file_id), f"{param}.file_id")
        if self.image_url is None:
            raise missing_parameter(f"{param}.image_url")
        return ImageInput(self.image_url, f"{param}.image_url")


def _branch_of(value: Any) -> str:
    return f"{TAG}file" if isinstance(value, Upload) else f"{TAG}reference"


Mask = Annotated[
    Annotated[Upload, branch("file")] | Annotated[ImageReference, branch("reference")],
    Discriminator(_branch_of),
]


class ImageEditRequest(PromptedBody):
    """Sent as a form with `image`, or as JSON with `images`."""

    accepts_form = True

    image: list[Upload] | None = Field(None, min_length=1, max_length=MAX_SOURCES)
    images: list[ImageReference] | None = Field(None, min_length=1, max_length=MAX_SOURCES)
    mask: Mask | None = None
    input_fidelity: Literal["high", "low"] | None = None
    strength: float | None = Field(None, ge=0, le=1)
    markup: Refused = None

    def check(self) -> None:
        super().check()
        if self.image is None and self.images is None:
            raise missing_parameter("image")
        if self.image is not None and self.images is not None:
            raise invalid_value("images", "it cannot be set with 'image'")

    def inputs(self) -> list[ImageInput]:
        """The images, the first one first."""
        if self.images is not None:
            return [one.input(f"images[{index}]") for index, one in enumerate(self.images)]
        files = self.image or []
        if len(files) == 1:
            return [ImageInput(files[0], "image")]
        return [ImageInput(file, f"image[{index}]") for index, file in enumerate(files)]

    def mask_input(self) -> ImageInput | None:
        if isinstance(self.mask, ImageReference):
            return self.mask.input("mask")
        return None if self.mask is None else ImageInput(self.mask, "mask")

    def to_engine_request(self, sources: ImageSources) -> ImageRequest:
        return ImageRequest(
            **self.common(),
            task="edit",
            images=sources.images,
            mask=sources.mask,
            fidelity=self.input_fidelity,
            strength=self.strength,
        )


class ImageVariationRequest(ImageBody):
    accepts_form = True
    accepts_json = False

    image: Upload
    strength: float | None = Field(None, ge=0, le=1)

    def inputs(self) -> list[ImageInput]:
        return [ImageInput(self.image, "image")]

    def to_engine_request(self, sources: ImageSources) -> ImageRequest:
        return ImageRequest(
            **self.common(), prompt="", task="vary", images=sources.images, strength=self.strength
        )


def _unless_auto(value: str | None) -> str | None:
    return None if value == "auto" else value
