"""The base of all values of the contract: frozen msgspec structs, which can cross a socket."""

from __future__ import annotations

import msgspec


class Struct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A value of the contract."""
