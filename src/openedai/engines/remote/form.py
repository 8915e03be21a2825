"""Bodies in multipart/form-data for another server: fields, and files that are read while they are
sent.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from openedai.errors import invalid_value

if TYPE_CHECKING:
    import aiohttp

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_MAX_FILE_NAME = 100


@dataclass(frozen=True)
class FormFile:
    """A file as a part of a form: `content` is its bytes, or its path on this machine."""

    name: str
    file_name: str
    content: bytes | Path


@dataclass(frozen=True)
class Form:
    """The values of a body, as in JSON, and its files."""

    values: Mapping[str, Any]
    files: tuple[FormFile, ...] = ()


def form_data(form: Form, cleanup: ExitStack) -> aiohttp.FormData:
    """The form for one request; `cleanup` closes its files. Raises InvalidRequest."""
    import aiohttp

    data = aiohttp.FormData(default_to_multipart=True)
    for name, text in _fields(form.values):
        data.add_field(name, text)
    for file in form.files:
        safe_name = _UNSAFE.sub("_", file.file_name)[-_MAX_FILE_NAME:] or "file"
        media_type = mimetypes.guess_type(safe_name)[0] or "application/octet-stream"
        content: Any = file.content
        if isinstance(content, Path):
            content = cleanup.enter_context(content.open("rb"))
        data.add_field(file.name, content, filename=safe_name, content_type=media_type)
    return data


def _fields(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The values as the official clients send them: `name[]` for arrays, `name[key]` for objects.

    Deeper nested values are written as JSON.
    """
    for name, value in values.items():
        if not name.isprintable():
            raise invalid_value(name, "the name of a parameter has characters that cannot be sent")
        if isinstance(value, dict):
            yield from ((f"{name}[{key}]", _text(item)) for key, item in value.items())
        elif isinstance(value, list | tuple):
            yield from ((f"{name}[]", _text(item)) for item in value)
        elif value is not None:
            yield name, _text(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
