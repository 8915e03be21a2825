"""Who may call a tool."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError


def _direct(value: list[str] | None) -> list[str] | None:
    """Tools are called by the model itself; there are no programs that call them."""
    if value is not None and "direct" not in value:
        raise PydanticCustomError("unsupported_value", "not supported")
    return value


Callers = Annotated[list[Literal["direct", "programmatic"]] | None, AfterValidator(_direct)]
