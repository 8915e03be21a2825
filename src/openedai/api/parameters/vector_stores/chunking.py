"""How the files of vector stores are divided into chunks, for new stores and for added files."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from openedai.api.parameters.unions import BY_TYPE
from openedai.errors import invalid_value
from openedai.http.body import Body
from openedai.store.vector_stores.files import Chunking

MAX_NEW_FILES = 500  # of a new store
FileId = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]


class StaticSizes(Body):
    max_chunk_size_tokens: int = Field(ge=100, le=4096)
    chunk_overlap_tokens: int = Field(ge=0)


class AutoChunking(Body):
    type: Literal["auto"]

    def chunking(self) -> Chunking:
        return Chunking()


class StaticChunking(Body):
    type: Literal["static"]
    static: StaticSizes

    def chunking(self) -> Chunking:
        return Chunking(self.static.max_chunk_size_tokens, self.static.chunk_overlap_tokens)


class OtherChunking(Body):
    """Gives the error for any other type."""

    type: Literal["auto", "static"]


ChunkingStrategy = Annotated[AutoChunking | StaticChunking | OtherChunking, BY_TYPE]


def check_chunking(strategy: ChunkingStrategy | None, param: str) -> None:
    """Raise InvalidRequest for sizes that are not valid together."""
    if isinstance(strategy, StaticChunking):
        sizes = strategy.static
        if 2 * sizes.chunk_overlap_tokens > sizes.max_chunk_size_tokens:
            raise invalid_value(
                f"{param}.static.chunk_overlap_tokens",
                "it cannot be more than half of `max_chunk_size_tokens`",
            )


def chunking_of(strategy: ChunkingStrategy | None) -> Chunking:
    """The sizes of chunks; `auto` if nothing is given."""
    if isinstance(strategy, AutoChunking | StaticChunking):
        return strategy.chunking()
    return Chunking()
