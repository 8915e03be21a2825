"""Settings: the limits of callers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from openedai.config.limits import LimitSettings

_UNLIMITED = LimitSettings()


@dataclass(frozen=True, init=False)
class CallerLimits:
    """How much projects and keys may use; see [limits.md](limits.md)."""

    limits: Annotated[
        LimitSettings, "Requests, tokens and more in a minute, a day and a month, and at once."
    ] = _UNLIMITED
