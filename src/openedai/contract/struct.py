"""What every value of the contract is: a frozen msgspec struct, so that it can cross a socket."""

from __future__ import annotations

import msgspec


class Struct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A value of the contract."""
