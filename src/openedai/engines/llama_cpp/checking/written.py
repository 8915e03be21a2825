"""The answer of the process that checks grammars."""

from __future__ import annotations

from openedai.contract.struct import Struct


class Written(Struct, frozen=True):
    """A grammar in Lark, or the error for it."""

    lark: str | None = None
    error: str = ""
    code: str | None = None
    param: str | None = None
