"""Settings: storage."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from msgspec import Meta

from openedai.config.sources import Secret


@dataclass(frozen=True, init=False)
class Storage:
    """What is kept, and where: logs, weights, files, jobs."""

    log_format: Annotated[Literal["text", "json"], "How log lines are written."] = "text"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        "The least severe messages that are logged.",
    ] = "info"
    log_prompts: Annotated[bool, "Also log request bodies, which hold prompts."] = False
    cache_dir: Annotated[Path, "Folder where downloaded weights are kept."] = dataclasses.field(
        default_factory=lambda: Path(platformdirs.user_cache_dir("openedai"))
    )
    data: Annotated[
        Path,
        "Folder where the server keeps what must outlast a restart, such as images "
        "whose URLs it gave out, files and jobs.",
    ] = dataclasses.field(default_factory=lambda: Path(platformdirs.user_data_dir("openedai")))
    database: Annotated[
        Secret | None,
        "The URL of a PostgreSQL database (`postgresql://user:password@host/name`), which "
        "several servers may share; none for an SQLite file in `data`. It needs the extra "
        "`postgres`.",
    ] = None
    blobs: Annotated[
        str,
        "Where the contents of files are kept: the URL of a bucket (`s3://name/prefix`), whose "
        "keys are in the environment (`AWS_ACCESS_KEY_ID` …); empty for a folder in `data`.",
    ] = ""
    file_max_bytes: Annotated[
        int, Meta(ge=1024), "Largest file, in bytes, that `POST /v1/files` takes."
    ] = 512 << 20
    files_max_bytes: Annotated[
        int, Meta(ge=0), "Most bytes of all files together; 0 for no limit."
    ] = 0
    files_max_bytes_per_key: Annotated[
        int,
        Meta(ge=0),
        "Most bytes of all files that were made with the same key; 0 for no limit.",
    ] = 0
    vector_memory: Annotated[
        int,
        Meta(ge=1 << 20),
        "Most bytes of the vectors of all vector stores that stay in memory; those of a larger "
        "store are read again by each search.",
    ] = 1 << 30
    response_lifetime: Annotated[
        float,
        Meta(ge=0),
        "Seconds until a stored response expires; 0 for never.",
    ] = 30 * 86400.0
    offline: Annotated[bool, "Never download; use only local weights."] = False
