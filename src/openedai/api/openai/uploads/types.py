"""The bodies of `/v1/uploads`, and an upload as the API shows it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from pydantic import Field

from openedai.api.parameters.files import ExpiresAfter, FileObject, Purpose
from openedai.errors import missing_parameter
from openedai.http.body import Body
from openedai.http.upload import StreamedFile
from openedai.store.files import FileRecord
from openedai.store.uploads import PartRecord, UploadRecord

MAX_BYTES = 8 << 30
MAX_PARTS = 10_000


class UploadCreateRequest(Body):
    """`mime_type` has no effect: files of all types are kept in the same way."""

    bytes: int = Field(ge=0, le=MAX_BYTES)
    filename: str = Field(min_length=1, max_length=1024)
    mime_type: str = Field(max_length=256)
    purpose: Purpose
    expires_after: ExpiresAfter | None = None


class PartCreateRequest(Body):
    accepts_form = True
    accepts_json = False

    data: StreamedFile | None = None

    def check(self) -> None:
        if self.data is None:
            raise missing_parameter("data")


class UploadCompleteRequest(Body):
    part_ids: list[Annotated[str, Field(max_length=64)]] = Field(max_length=MAX_PARTS)
    md5: str | None = Field(None, pattern="^[0-9A-Fa-f]{32}$")


class UploadObject(msgspec.Struct, kw_only=True):
    id: str
    object: str = "upload"
    bytes: int
    created_at: int
    filename: str
    purpose: str
    status: str
    expires_at: int
    file: FileObject | None

    @classmethod
    def of(cls, record: UploadRecord, made: FileRecord | None = None) -> UploadObject:
        return cls(
            id=record.id,
            bytes=record.bytes,
            created_at=int(record.created_at),
            filename=record.filename,
            purpose=record.purpose,
            status=record.status,
            expires_at=int(record.expires_at),
            file=None if made is None else FileObject.of(made),
        )


class PartObject(msgspec.Struct, kw_only=True):
    id: str
    object: str = "upload.part"
    created_at: int
    upload_id: str

    @classmethod
    def of(cls, record: PartRecord) -> PartObject:
        return cls(id=record.id, created_at=int(record.created_at), upload_id=record.upload_id)
