"""The bodies and queries of `/v1/containers`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from openedai.api.parameters.containers import FileIds, MemoryLimit, NetworkPolicy
from openedai.api.parameters.pages import Query
from openedai.errors import invalid_value, missing_parameter
from openedai.http.body import Body, Refused
from openedai.http.upload import StreamedFile
from openedai.store.vector_stores.pages import Cursor

_DAY = 24 * 60


class ContainerExpiry(Body):
    anchor: Literal["last_active_at"]
    minutes: int = Field(ge=1, le=_DAY)


class ContainerCreateRequest(Body):
    name: str = Field(min_length=1, max_length=256, pattern=r"^[^\x00]*$")
    expires_after: ContainerExpiry | None = None
    file_ids: FileIds | None = None
    memory_limit: MemoryLimit | None = None
    network_policy: NetworkPolicy | None = None
    skills: Refused = None


class ContainerFileRequest(Body):
    accepts_form = True

    file: StreamedFile | None = None
    file_id: Annotated[str, Field(max_length=64)] | None = None

    def check(self) -> None:
        if self.file is None and self.file_id is None:
            raise missing_parameter("file")
        if self.file is not None and self.file_id is not None:
            raise invalid_value("file_id", "it cannot be sent together with 'file'")


class ContainerFilesQuery(Query):
    def cursor(self) -> Cursor:
        return Cursor(self.limit, self.after, None, self.order)


class ContainersQuery(ContainerFilesQuery):
    name: str | None = Field(None, max_length=256, pattern=r"^[^\x00]*$")
