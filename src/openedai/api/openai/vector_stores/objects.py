"""Vector stores, their files and batches as the API shows them."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from openedai.store.vector_stores.files import FileBatch, StoreFile
from openedai.store.vector_stores.stores import Counts, VectorStore


class FileCounts(msgspec.Struct):
    in_progress: int
    completed: int
    failed: int
    cancelled: int
    total: int

    @classmethod
    def of(cls, counts: Counts) -> FileCounts:
        return cls(
            counts.of("in_progress"),
            counts.of("completed"),
            counts.of("failed"),
            counts.of("cancelled"),
            counts.total,
        )


_LEAST_POLL, _MOST_POLL = 100, 5000  # milliseconds
_POLL_SHARE = 0.2


def poll_headers(status: str, created_at: float) -> dict[str, str]:
    """When clients that wait for an end ask again: the later, the longer they have waited."""
    if status != "in_progress":
        return {}
    waited = 1000 * (time.time() - created_at)
    pause = min(_MOST_POLL, max(_LEAST_POLL, int(_POLL_SHARE * waited)))
    return {"openai-poll-after-ms": str(pause)}


class VectorStoreObject(msgspec.Struct, kw_only=True):
    id: str
    object: str = "vector_store"
    created_at: int
    name: str
    description: str | None
    usage_bytes: int
    file_counts: FileCounts
    status: str
    expires_after: dict[str, Any] | None
    expires_at: int | None
    last_active_at: int
    metadata: dict[str, str]
    embedding_model: str

    @classmethod
    def of(cls, store: VectorStore, counts: Counts) -> VectorStoreObject:
        fields = store.fields
        days = fields.days
        status = "in_progress" if counts.of("in_progress") else "completed"
        return cls(
            id=store.id,
            created_at=int(store.created_at),
            name=fields.name,
            description=fields.description,
            usage_bytes=counts.bytes,
            file_counts=FileCounts.of(counts),
            status="expired" if store.expired else status,
            expires_after=None if days is None else {"anchor": "last_active_at", "days": days},
            expires_at=None if store.expires_at is None else int(store.expires_at),
            last_active_at=int(store.last_active_at),
            metadata=fields.metadata,
            embedding_model=fields.model,
        )


class VectorStoreFileObject(msgspec.Struct, kw_only=True):
    id: str
    object: str = "vector_store.file"
    created_at: int
    vector_store_id: str
    status: str
    usage_bytes: int
    last_error: dict[str, str] | None
    attributes: dict[str, str | float | bool]
    chunking_strategy: dict[str, Any]

    @classmethod
    def of(cls, file: StoreFile) -> VectorStoreFileObject:
        fields = file.fields
        error, chunking = fields.error, fields.chunking
        sizes = {
            "max_chunk_size_tokens": chunking.size,
            "chunk_overlap_tokens": chunking.overlap,
        }
        return cls(
            id=file.file,
            created_at=int(fields.created_at),
            vector_store_id=file.store,
            status=file.status,
            usage_bytes=file.bytes,
            last_error=None if error is None else {"code": error.code, "message": error.message},
            attributes=fields.attributes,
            chunking_strategy={"type": "static", "static": sizes},
        )


class FileBatchObject(msgspec.Struct, kw_only=True):
    id: str
    object: str = "vector_store.files_batch"
    created_at: int
    vector_store_id: str
    status: str
    file_counts: FileCounts

    @classmethod
    def of(cls, batch: FileBatch, counts: Counts) -> FileBatchObject:
        status = "in_progress" if counts.of("in_progress") else "completed"
        return cls(
            id=batch.id,
            created_at=int(batch.created_at),
            vector_store_id=batch.store,
            status="cancelled" if batch.cancelled else status,
            file_counts=FileCounts.of(counts),
        )


class TextContent(msgspec.Struct):
    text: str
    type: str = "text"


class TextPage(msgspec.Struct, kw_only=True):
    """The text of a file."""

    object: str = "vector_store.file_content.page"
    data: list[TextContent]
    has_more: bool = False
    next_page: None = None
