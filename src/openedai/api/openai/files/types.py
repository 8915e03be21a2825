"""The bodies and queries of `/v1/files`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from openedai.api.parameters.files import ExpiresAfter, Purpose
from openedai.api.parameters.pages import Query
from openedai.errors import missing_parameter
from openedai.http.body import Body
from openedai.http.upload import StreamedFile

# Includes the purposes of files that the server makes.
AnyPurpose = Literal[Purpose, "assistants_output", "batch_output", "fine-tune-results"]


class FileCreateRequest(Body):
    accepts_form = True
    accepts_json = False

    file: StreamedFile | None = None
    purpose: Purpose
    expires_after: ExpiresAfter | None = None

    def check(self) -> None:
        if self.file is None:
            raise missing_parameter("file")


class FileListQuery(Query):
    limit: int = Field(10_000, ge=1, le=10_000)
    purpose: AnyPurpose | None = None
