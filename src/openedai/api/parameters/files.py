"""What files and uploads have in common: purposes, expiry, and a file as the API shows it."""

from __future__ import annotations

from typing import Literal

import msgspec
from pydantic import Field

from openedai.http.body import Body
from openedai.store.files import FileRecord

Purpose = Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]

_DAY = 86400
# The lifetimes of files with these purposes, if the body does not give one.
_BY_PURPOSE = {"batch": 30 * _DAY}


class ExpiresAfter(Body):
    anchor: Literal["created_at"]
    seconds: int = Field(ge=3600, le=30 * _DAY)


def lifetime(purpose: str, given: ExpiresAfter | None) -> float | None:
    """The seconds after which a file expires; None for never."""
    return _BY_PURPOSE.get(purpose) if given is None else given.seconds


class FileObject(msgspec.Struct, kw_only=True):
    """`status` is always the same: files are only checked when they are used."""

    id: str
    object: str = "file"
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: str
    status: str = "processed"
    status_details: None = None

    @classmethod
    def of(cls, record: FileRecord) -> FileObject:
        expires = None if record.expires_at is None else int(record.expires_at)
        return cls(
            id=record.id,
            bytes=record.bytes,
            created_at=int(record.created_at),
            expires_at=expires,
            filename=record.filename,
            purpose=record.purpose,
        )
