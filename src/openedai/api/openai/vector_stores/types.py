"""The bodies of `/v1/vector_stores`, and the parameters in its URLs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from openedai.api.parameters.chats.labels import Metadata
from openedai.api.parameters.pages import Query
from openedai.api.parameters.vector_stores.chunking import (
    MAX_NEW_FILES,
    ChunkingStrategy,
    FileId,
    check_chunking,
    chunking_of,
)
from openedai.errors import invalid_value, missing_parameter
from openedai.http.body import Body
from openedai.serving.vector_stores.service import NewFile
from openedai.store.vector_stores.files import Attributes
from openedai.store.vector_stores.pages import Cursor

MAX_BATCH = 2000
_LONGEST_VALUE = 512
_ID = r"^[A-Za-z0-9_-]+$"


def _attribute(value: Any) -> Any:
    """A text, a number or a boolean."""
    if isinstance(value, str) and len(value) > _LONGEST_VALUE:
        raise PydanticCustomError("value", f"a text of more than {_LONGEST_VALUE} characters")
    if not isinstance(value, str | bool | int | float):
        raise PydanticCustomError("value", "expected a string, a number or a boolean")
    return value


Value = Annotated[Any, AfterValidator(_attribute)]
AttributeValues = Annotated[dict[Annotated[str, Field(max_length=64)], Value], Field(max_length=16)]


class StoreExpiry(Body):
    anchor: Literal["last_active_at"]
    days: int = Field(ge=1, le=365)


def stored(attributes: AttributeValues | None) -> Attributes:
    return dict(attributes or {})


class StoreCreateRequest(Body):
    """`embedding_model` is of this server: the official API has one model only."""

    name: str | None = Field(None, max_length=256)
    description: str | None = Field(None, max_length=4096)
    metadata: Metadata | None = None
    expires_after: StoreExpiry | None = None
    file_ids: list[FileId] | None = Field(None, max_length=MAX_NEW_FILES)
    chunking_strategy: ChunkingStrategy | None = None
    embedding_model: str | None = None

    def check(self) -> None:
        check_chunking(self.chunking_strategy, "chunking_strategy")

    def files(self) -> list[NewFile]:
        chunking = chunking_of(self.chunking_strategy)
        return [NewFile(id, {}, chunking) for id in dict.fromkeys(self.file_ids or ())]


class StoreUpdateRequest(Body):
    name: str | None = Field(None, max_length=256)
    metadata: Metadata | None = None
    expires_after: StoreExpiry | None = None

    def changes(self) -> dict[str, Any]:
        """The fields of the store that are set."""
        days = None if self.expires_after is None else self.expires_after.days
        values = {"name": self.name or "", "metadata": self.metadata or {}, "days": days}
        names = {"name": "name", "metadata": "metadata", "expires_after": "days"}
        return {names[name]: values[names[name]] for name in self.model_fields_set}


class FileAddRequest(Body):
    file_id: FileId
    attributes: AttributeValues | None = None
    chunking_strategy: ChunkingStrategy | None = None

    def check(self) -> None:
        check_chunking(self.chunking_strategy, "chunking_strategy")

    def file(self) -> NewFile:
        return NewFile(self.file_id, stored(self.attributes), chunking_of(self.chunking_strategy))


class FileUpdateRequest(Body):
    attributes: AttributeValues | None


class BatchAddRequest(Body):
    """`attributes` and `chunking_strategy` are those of all `file_ids`; each of `files` has its
    own.
    """

    file_ids: list[FileId] | None = Field(None, min_length=1, max_length=MAX_BATCH)
    files: list[FileAddRequest] | None = Field(None, min_length=1, max_length=MAX_BATCH)
    attributes: AttributeValues | None = None
    chunking_strategy: ChunkingStrategy | None = None

    def check(self) -> None:
        if self.file_ids is None and self.files is None:
            raise missing_parameter("file_ids")
        if self.file_ids is not None and self.files is not None:
            raise invalid_value("files", "it cannot be set together with 'file_ids'")
        check_chunking(self.chunking_strategy, "chunking_strategy")
        for number, file in enumerate(self.files or ()):
            check_chunking(file.chunking_strategy, f"files[{number}].chunking_strategy")

    def new_files(self) -> list[NewFile]:
        """Each file once: of several entries for a file the last one."""
        chunking, attributes = chunking_of(self.chunking_strategy), stored(self.attributes)
        new = [NewFile(id, attributes, chunking) for id in self.file_ids or ()]
        new += [file.file() for file in self.files or ()]
        return list({one.file: one for one in new}.values())


class StoreListQuery(Query):
    before: str | None = Field(None, max_length=64, pattern=_ID)

    def cursor(self) -> Cursor:
        return Cursor(self.limit, self.after, self.before, self.order)


class StoreFilesQuery(StoreListQuery):
    filter: Literal["in_progress", "completed", "failed", "cancelled"] | None = None
