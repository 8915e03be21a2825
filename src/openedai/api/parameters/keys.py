"""The parameters for making and changing keys."""

from __future__ import annotations

import time
from typing import Annotated

from pydantic import Field

from openedai.api.endpoint_groups import GROUPS
from openedai.errors import invalid_value
from openedai.http.body import Body
from openedai.identity import API

_LONGEST_SECONDS = 100 * 365 * 86400
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Seconds = Annotated[int, Field(ge=1, le=_LONGEST_SECONDS)]
Scopes = Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=64)]


class Expiring(Body):
    """The body of a request that makes a key, or sets when it expires."""

    expires_in_seconds: Seconds | None = None

    @property
    def expires_at(self) -> float | None:
        """When the key expires, in seconds since 1970; None for never."""
        lasts = self.expires_in_seconds
        return None if lasts is None else time.time() + lasts


class Scoped(Expiring):
    """`scopes` are groups of URLs of this server; an empty list stands for all of the API."""

    scopes: Scopes | None = None

    def check(self) -> None:
        known = (API, *GROUPS)
        if unknown := [name for name in self.scopes or () if name not in known]:
            raise invalid_value(
                "scopes", f"there is no scope `{unknown[0]}`, but {', '.join(known)}"
            )

    @property
    def endpoints(self) -> tuple[str, ...] | None:
        """The groups as an identity has them."""
        return tuple(dict.fromkeys(self.scopes or ())) or None
