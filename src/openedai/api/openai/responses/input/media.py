"""The images, sounds and files of the input's items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from openedai.api.openai.responses.input.calls import (
    ComputerCallOutput,
    CustomToolCallOutput,
    FunctionCallOutput,
    Screenshot,
)
from openedai.api.openai.responses.input.items import AnyItem, Message
from openedai.api.openai.responses.input.parts import InputFile, InputImage, InputSound
from openedai.errors import invalid_value, missing_parameter
from openedai.http.body import Body
from openedai.media.images import ImageRef
from openedai.serving.audio.hearing import SoundRef, Transcripts
from openedai.serving.files.kept import FileId
from openedai.serving.files.loading import FileRef
from openedai.serving.images.loading import LoadedImages

Located = tuple[str, AnyItem]
"""Where an item stands in the body, and the item."""


@dataclass(frozen=True)
class Media:
    """What was loaded for the images, sounds and files of a conversation.

    A file is either among the images or among `file_texts`, under the `param` of its reference.
    """

    images: LoadedImages = field(default_factory=dict)
    transcripts: Transcripts = field(default_factory=dict)
    file_texts: Mapping[str, str] = field(default_factory=dict)


def image_refs(items: Iterable[Located]) -> Iterator[ImageRef]:
    """The images of all items that are given as URLs, in order."""
    for path, part in _parts(items):
        if isinstance(part, InputImage | Screenshot) and part.image_url is not None:
            yield ImageRef(part.image_url, f"{path}.image_url", f"{path}.type")


def file_refs(items: Iterable[Located]) -> Iterator[FileRef]:
    """The files of all items, in order, stored images included.

    Raises InvalidRequest for a part that names no file, or two.
    """
    for path, part in _parts(items):
        if isinstance(part, InputImage | Screenshot):
            only_one(path, file_id=part.file_id, image_url=part.image_url)
            if part.file_id is not None:
                at = f"{path}.file_id"
                yield FileRef(FileId(part.file_id), None, at, f"{path}.type", image_only=True)
        elif isinstance(part, InputFile):
            only_one(path, file_id=part.file_id, file_data=part.file_data)
            source = FileId(part.file_id) if part.file_id is not None else part.file_data or ""
            yield FileRef(source, part.filename, file_param(path, part), f"{path}.type")


def only_one(path: str, **sources: str | None) -> None:
    """Raise InvalidRequest unless exactly one of the fields of the part at `path` is set."""
    given = [name for name, value in sources.items() if value is not None]
    if not given:
        raise missing_parameter(f"{path}.{next(iter(sources))}")
    if len(given) > 1:
        raise invalid_value(f"{path}.{given[1]}", f"'{given[0]}' is set too")


def file_param(path: str, part: InputFile | InputImage | Screenshot) -> str:
    """The parameter that gives the file or the image of a part."""
    if part.file_id is not None:
        return f"{path}.file_id"
    return f"{path}.file_data" if isinstance(part, InputFile) else f"{path}.image_url"


def sound_refs(items: Iterable[Located]) -> Iterator[SoundRef]:
    """The sounds of all items, in order."""
    for path, part in _parts(items):
        if isinstance(part, InputSound):
            sound, at = part.input_audio, f"{path}.input_audio.data"
            yield SoundRef(sound.data, sound.format, at, f"{path}.type")


def _parts(items: Iterable[Located]) -> Iterator[tuple[str, Body]]:
    for path, item in items:
        match item:
            case Message(content=list() as parts):
                yield from ((f"{path}.content[{n}]", part) for n, part in enumerate(parts))
            case FunctionCallOutput(output=list() as parts):
                yield from ((f"{path}.output[{n}]", part) for n, part in enumerate(parts))
            case CustomToolCallOutput(output=list() as parts):
                yield from ((f"{path}.output[{n}]", part) for n, part in enumerate(parts))
            case ComputerCallOutput(output=screenshot):
                yield f"{path}.output", screenshot
