"""What a check has found."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["good", "note", "bad"]


class Finding(msgspec.Struct, frozen=True):
    """One line of the report. `note` means that it works, but not as well as it could; `bad` that
    something does not work. `advice` says what to do, if there is anything to do.
    """

    about: str
    state: State
    found: str
    advice: str = ""
