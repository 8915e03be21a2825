"""The parts of messages and of tools' outputs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from openedai.api.parameters.chats.sounds import InputAudio
from openedai.api.parameters.unions import BY_JSON_TYPE, BY_TYPE, branch
from openedai.http.body import Body, Refused

Detail = Literal["auto", "low", "high", "original"]


class InputText(Body):
    type: Literal["input_text"]
    text: str
    prompt_cache_breakpoint: Any = None


class InputImage(Body):
    type: Literal["input_image"]
    image_url: str | None = None
    file_id: str | None = None
    detail: Detail | None = None
    prompt_cache_breakpoint: Any = None


class InputFile(Body):
    type: Literal["input_file"]
    detail: Literal["auto", "low", "high"] | None = None
    file_data: str | None = None
    file_id: str | None = None
    file_url: Refused = None
    filename: str | None = None
    prompt_cache_breakpoint: Any = None


class InputSound(Body):
    type: Literal["input_audio"]
    input_audio: InputAudio


class OutputText(Body):
    """The text of an earlier answer. Its `annotations` and `logprobs`, and what the official
    client's `parse` adds, have no effect.
    """

    type: Literal["output_text"]
    text: str
    annotations: list[Any] | None = None
    logprobs: list[Any] | None = None
    parsed: Any = None


class Refusal(Body):
    type: Literal["refusal"]
    refusal: str


class OtherPart(Body):
    """For the error of an unknown type."""

    type: Literal[
        "input_text", "input_image", "input_file", "input_audio", "output_text", "refusal"
    ]


Part = Annotated[
    InputText | InputImage | InputFile | InputSound | OutputText | Refusal | OtherPart, BY_TYPE
]

Content = Annotated[
    Annotated[str, branch("a string")] | Annotated[list[Part], branch("an array")], BY_JSON_TYPE
]


class OtherOutputPart(Body):
    """For the error of an unknown type."""

    type: Literal["input_text", "input_image", "input_file"]


OutputPart = Annotated[InputText | InputImage | InputFile | OtherOutputPart, BY_TYPE]

ToolOutput = Annotated[
    Annotated[str, branch("a string")]
    | Annotated[list[OutputPart], Field(max_length=1024), branch("an array")],
    BY_JSON_TYPE,
]
