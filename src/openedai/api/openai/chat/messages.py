"""The messages of a conversation: from the wire format to those of engines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec
from pydantic import BeforeValidator, Field

from openedai.api.openai.chat.audio import EarlierAudio, transcript_of
from openedai.api.parameters.chats.sounds import InputAudio
from openedai.api.parameters.unions import BY_JSON_TYPE, BY_TYPE, branch
from openedai.contract.chat import Image, Message, ToolCall
from openedai.errors import InvalidRequest, invalid_value, missing_parameter
from openedai.http.body import AllowedOnly, Body
from openedai.media.images import ImageRef
from openedai.serving.audio.hearing import SoundRef, Transcripts
from openedai.serving.files.kept import FileId
from openedai.serving.files.loading import FileRef
from openedai.serving.images.loading import LoadedImages


@dataclass(frozen=True)
class Media:
    """What was loaded for the images, sounds and files of a conversation.

    A file is either among the images or among `file_texts`, under the `param` of its reference.
    """

    images: LoadedImages = field(default_factory=dict)
    transcripts: Transcripts = field(default_factory=dict)
    file_texts: Mapping[str, str] = field(default_factory=dict)


Role = Literal["developer", "system", "user", "assistant", "tool", "function"]


class TextPart(Body):
    """Clients of LiteLLM and OpenRouter send `cache_control`: no effect, in any part."""

    type: Literal["text"]
    text: str
    prompt_cache_breakpoint: Any = None
    cache_control: Any = None


class RefusalPart(Body):
    type: Literal["refusal"]
    refusal: str


class ImageURL(Body):
    url: str
    detail: Literal["auto", "low", "high", "original"] | None = None


def _image_url(value: Any) -> Any:
    """Clients of Ollama and vLLM send the URL itself."""
    return {"url": value} if isinstance(value, str) else value


class ImagePart(Body):
    type: Literal["image_url"]
    image_url: Annotated[ImageURL, BeforeValidator(_image_url)]
    prompt_cache_breakpoint: Any = None
    cache_control: Any = None


class AudioPart(Body):
    type: Literal["input_audio"]
    input_audio: InputAudio
    prompt_cache_breakpoint: Any = None
    cache_control: Any = None


class FileSource(Body):
    """A stored file, or the bytes of one in base64 or a data URL, and its name for the model."""

    file_id: str | None = None
    file_data: str | None = None
    filename: str | None = None


class FilePart(Body):
    type: Literal["file"]
    file: FileSource
    prompt_cache_breakpoint: Any = None
    cache_control: Any = None

    def ref(self, path: str) -> FileRef:
        """The file of the part at `path`. Raises InvalidRequest unless it gives exactly one of the
        two.
        """
        file = self.file
        if file.file_id is not None:
            if file.file_data is not None:
                raise invalid_value(f"{path}.file.file_data", "'file_id' is set too")
            source: FileId | str = FileId(file.file_id)
        elif file.file_data is None:
            raise missing_parameter(f"{path}.file.file_id")
        else:
            source = file.file_data
        return FileRef(source, file.filename, self.param(path), f"{path}.type")

    def param(self, path: str) -> str:
        name = "file_data" if self.file.file_id is None else "file_id"
        return f"{path}.file.{name}"


class OtherPart(Body):
    """Gives the error for an unknown type of part."""

    type: Literal["text", "refusal", "image_url", "input_audio", "file"]


Part = Annotated[TextPart | RefusalPart | ImagePart | AudioPart | FilePart | OtherPart, BY_TYPE]

Content = Annotated[
    Annotated[str, branch("a string")]
    | Annotated[list[Part], Field(min_length=1), branch("an array")],
    BY_JSON_TYPE,
]


class Function(Body):
    """`parsed_arguments`, without effect, is what the official client's `parse` adds."""

    name: str
    arguments: str
    parsed_arguments: Any = None


class ToolCallParam(Body):
    """`index`, without effect, is added by clients that assemble a call from a stream."""

    id: str
    index: int | None = None
    type: Literal["function", "custom"]
    function: Function

    def to_engine(self) -> ToolCall:
        return ToolCall(id=self.id, name=self.function.name, arguments=self.function.arguments)


class CustomInput(Body):
    name: str
    input: str


class CustomCallParam(Body):
    id: str
    index: int | None = None
    type: Literal["custom"]
    custom: CustomInput

    def to_engine(self) -> ToolCall:
        arguments = msgspec.json.encode({"input": self.custom.input}).decode()
        return ToolCall(id=self.id, name=self.custom.name, arguments=arguments)


class ChatMessage(Body):
    """The message of an answer can be sent back unchanged: the template may render its
    `reasoning_content`, which other servers call `reasoning`. `reasoning_details`, `annotations`
    and `parsed`, which the official client's `parse` adds, have no effect.
    """

    role: Role
    content: Content | None = None
    name: str | None = None
    tool_call_id: str | None = None
    tool_calls: list[Annotated[CustomCallParam | ToolCallParam, BY_TYPE]] | None = None
    function_call: Function | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[Any] | None = None
    annotations: list[Any] | None = None
    parsed_: Any = Field(None, alias="parsed")
    refusal: Annotated[str | None, AllowedOnly()] = None
    audio: EarlierAudio | None = None

    def to_engine(self, number: int, media: Media) -> Message:
        """Message `number` of a conversation; `developer` is the newer name of `system`."""
        return Message(
            role="system" if self.role == "developer" else self.role,
            content="".join(self._texts(number, media)),
            images=tuple(self._images(number, media)),
            name=self.name,
            reasoning=self.reasoning if self.reasoning_content is None else self.reasoning_content,
            tool_calls=self._tool_calls(),
            tool_call_id=self.tool_call_id,
        )

    def image_refs(self, number: int) -> Iterator[ImageRef]:
        """The images of message `number`, in order."""
        for index, part in enumerate(self._parts()):
            if isinstance(part, ImagePart):
                path = f"messages[{number}].content[{index}]"
                yield ImageRef(part.image_url.url, _url_param(path), f"{path}.type")

    def sound_refs(self, number: int) -> Iterator[SoundRef]:
        """The sounds of message `number`, in order."""
        for index, part in enumerate(self._parts()):
            if isinstance(part, AudioPart):
                path, sound = f"messages[{number}].content[{index}]", part.input_audio
                yield SoundRef(sound.data, sound.format, _data_param(path), f"{path}.type")

    def file_refs(self, number: int) -> Iterator[FileRef]:
        """The files of message `number`, in order."""
        for index, part in enumerate(self._parts()):
            if isinstance(part, FilePart):
                yield part.ref(f"messages[{number}].content[{index}]")

    def _parts(self) -> Sequence[Part]:
        return () if self.content is None or isinstance(self.content, str) else self.content

    def _images(self, number: int, media: Media) -> Iterator[Image]:
        at = 0
        for index, part in enumerate(self._parts()):
            path = f"messages[{number}].content[{index}]"
            image = media.images.get(_image_param(part, path))
            if image is not None:
                detail = (isinstance(part, ImagePart) and part.image_url.detail) or "auto"
                yield Image(raw=image.raw, media_type=image.media_type, at=at, detail=detail)
            else:
                at += len(_part_text(part, path, media))

    def _texts(self, number: int, media: Media) -> Iterator[str]:
        """The texts of the message. A refusal counts only if there is nothing else."""
        if isinstance(self.content, str):
            yield self.content
        elif self.content is None and self.audio is not None:
            yield transcript_of(self.audio.id, f"messages[{number}].audio.id")
        only_refusals = all(isinstance(part, RefusalPart) for part in self._parts())
        for index, part in enumerate(self._parts()):
            if isinstance(part, RefusalPart):
                yield part.refusal if only_refusals else ""
            else:
                yield _part_text(part, f"messages[{number}].content[{index}]", media)

    def _tool_calls(self) -> tuple[ToolCall, ...]:
        calls = [call.to_engine() for call in self.tool_calls or ()]
        if self.function_call is not None:
            old = self.function_call
            calls.append(ToolCall(id="", name=old.name, arguments=old.arguments))
        return tuple(calls)


def _part_text(part: Part, path: str, media: Media) -> str:
    """The text of a part: of a sound its transcript, of an image nothing."""
    match part:
        case TextPart(text=text):
            return text
        case AudioPart():
            return media.transcripts[_data_param(path)]
        case FilePart():
            return media.file_texts.get(part.param(path), "")
        case _:
            return ""


def check_messages(messages: Sequence[ChatMessage]) -> None:
    """Raise InvalidRequest for a message that is not valid at its position."""
    open_calls: set[str] = set()
    for index, message in enumerate(messages):
        path = f"messages[{index}]"
        _check_fields(message, path)
        if message.role != "user" and any(message.image_refs(index)):
            raise InvalidRequest(
                f"Invalid '{path}'. Image URLs are only allowed for messages with role 'user', "
                f"but this message with role '{message.role}' contains an image URL.",
                code="invalid_value",
                param=path,
            )
        if message.role != "user" and any(message.sound_refs(index)):
            raise invalid_value(path, "only messages with role 'user' can contain audio")
        files = list(message.file_refs(index))
        if files and message.role != "user":
            raise invalid_value(path, "only messages with role 'user' can contain files")
        if message.role == "tool":
            if message.tool_call_id not in open_calls:
                raise InvalidRequest(
                    f"Invalid parameter: {path} with role 'tool' must be a response to a "
                    "preceding message with 'tool_calls' that has its 'tool_call_id'.",
                    code="invalid_value",
                    param=f"{path}.tool_call_id",
                )
        else:
            open_calls = {call.id for call in message.tool_calls or ()}


def _check_fields(message: ChatMessage, path: str) -> None:
    calls = message.tool_calls or message.function_call
    if message.content is None and not (
        message.role == "function" or (message.role == "assistant" and (calls or message.audio))
    ):
        raise missing_parameter(f"{path}.content")
    if message.role == "tool" and message.tool_call_id is None:
        raise missing_parameter(f"{path}.tool_call_id")
    if message.role == "function" and message.name is None:
        raise missing_parameter(f"{path}.name")
    if message.audio is not None and message.role != "assistant":
        raise invalid_value(f"{path}.audio", "only messages with role 'assistant' can have it")
    if calls and message.role != "assistant":
        field = "tool_calls" if message.tool_calls else "function_call"
        raise invalid_value(f"{path}.{field}", "only messages with role 'assistant' can have it")


def _image_param(part: Part, path: str) -> str:
    """The parameter of a part that would have the image, whatever its type."""
    return part.param(path) if isinstance(part, FilePart) else _url_param(path)


def _url_param(path: str) -> str:
    return f"{path}.image_url.url"


def _data_param(path: str) -> str:
    return f"{path}.input_audio.data"
