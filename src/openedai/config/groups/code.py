"""Settings: code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta


@dataclass(frozen=True, init=False)
class Code:
    """Code of models, which runs where it can be confined: see [containers.md](containers.md)."""

    code_interpreter: Annotated[
        bool,
        "Run code: the tool `code_interpreter` of responses and assistants, and `/v1/containers`.",
    ] = True
    code_python: Annotated[
        str,
        "The Python that runs code, such as `/opt/code/bin/python` of an environment with the "
        "packages that it may import; empty for the server's own, or else the system's.",
    ] = ""
    code_memory: Annotated[
        int, Meta(ge=1 << 30), "Most bytes of memory that a container may ask for."
    ] = 1 << 30
    code_disk: Annotated[
        int, Meta(ge=1 << 20), "Most bytes of the files of a container together."
    ] = 256 << 20
    code_containers: Annotated[
        int,
        Meta(ge=1),
        "Containers whose Python process is kept; the one that was idle for longest is ended for "
        "another one.",
    ] = 4
