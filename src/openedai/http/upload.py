"""A file that a client sent."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

MAX_FILE_NAME = 255


def file_name(name: str) -> str:
    """The name that a client gave a file, without folders and control characters."""
    base = re.split(r"[/\\]", name)[-1]
    return "".join(char for char in base if char.isprintable())[-MAX_FILE_NAME:]


def has_file(value: Any) -> bool:
    """Whether a value of a form is a file, or contains one."""
    if isinstance(value, dict):
        value = list(value.values())
    return isinstance(value, FormFile) or (isinstance(value, list) and any(map(has_file, value)))


@dataclass(frozen=True)
class FormFile:
    """`name` and `media_type` are as the client gave them: the name without folders, and both may
    be empty. `size` is in bytes.
    """

    name: str
    media_type: str
    size: int

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.is_instance_schema(cls, cls_repr="a file")

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "format": "binary"}


@dataclass(frozen=True)
class StreamedFile(FormFile):
    """A file whose bytes were passed on as they arrived."""


@dataclass(frozen=True)
class Upload(FormFile):
    """`path` is a temporary file that is deleted at the end of the exchange."""

    path: Path

    async def read(self) -> bytes:
        """The whole file. Call it only if `size` is small enough."""
        return await asyncio.to_thread(self.path.read_bytes)
