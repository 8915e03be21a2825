"""The parameters of a container, in requests for one and in the tool that makes one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from openedai.http.body import Body, Refused, UnsupportedValues

MemoryLimit = Literal["1g", "4g", "16g", "64g"]
FileIds = Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=50)]


class NetworkPolicy(Body):
    """Containers have no network."""

    type: Annotated[Literal["disabled", "allowlist"], UnsupportedValues("allowlist")]
    allowed_domains: Refused = None
    domain_secrets: Refused = None
