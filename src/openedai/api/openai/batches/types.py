"""The body of `POST /v1/batches`, the query of its list, and a batch as the API shows it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from pydantic import Field

from openedai.api.parameters.chats.labels import Metadata
from openedai.api.parameters.files import ExpiresAfter
from openedai.http.body import Body
from openedai.store.batches import Batch, LineError, Tokens


class BatchCreateRequest(Body):
    input_file_id: str
    endpoint: str
    completion_window: Literal["24h"]
    metadata: Metadata | None = None
    output_expires_after: ExpiresAfter | None = None


class BatchListQuery(Body):
    limit: int = Field(20, ge=1, le=100)
    after: str | None = Field(None, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")


class BatchObject(msgspec.Struct, kw_only=True):
    id: str
    object: str = "batch"
    endpoint: str
    model: str | None
    errors: dict[str, Any] | None
    input_file_id: str
    completion_window: str
    status: str
    output_file_id: str | None
    error_file_id: str | None
    created_at: int
    in_progress_at: int | None
    expires_at: int
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: dict[str, int]
    usage: dict[str, Any]
    metadata: dict[str, str] | None

    @classmethod
    def of(cls, batch: Batch) -> BatchObject:
        return cls(
            id=batch.id,
            endpoint=batch.endpoint,
            model=batch.model,
            errors=_errors(batch.errors),
            input_file_id=batch.input_file_id,
            completion_window=batch.completion_window,
            status=batch.status,
            output_file_id=batch.output_file_id,
            error_file_id=batch.error_file_id,
            created_at=int(batch.created_at),
            in_progress_at=_seconds(batch.in_progress_at),
            expires_at=int(batch.expires_at),
            finalizing_at=_seconds(batch.finalizing_at),
            completed_at=_seconds(batch.completed_at),
            failed_at=_seconds(batch.failed_at),
            expired_at=_seconds(batch.expired_at),
            cancelling_at=_seconds(batch.cancelling_at),
            cancelled_at=_seconds(batch.cancelled_at),
            request_counts={
                "total": batch.total,
                "completed": batch.completed,
                "failed": batch.failed,
            },
            usage=_usage(batch.tokens),
            metadata=batch.metadata,
        )


def _errors(errors: list[LineError]) -> dict[str, Any] | None:
    return {"object": "list", "data": errors} if errors else None


def _usage(tokens: Tokens) -> dict[str, Any]:
    return {
        "input_tokens": tokens.input,
        "input_tokens_details": {"cached_tokens": tokens.cached},
        "output_tokens": tokens.output,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.total,
    }


def _seconds(time: float | None) -> int | None:
    return None if time is None else int(time)
