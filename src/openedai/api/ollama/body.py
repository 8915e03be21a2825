"""What all bodies of Ollama's API have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, get_args

from pydantic import model_validator

from openedai.http.body import Body


class OllamaBody(Body):
    """As Ollama does, unknown fields are ignored, and whole numbers may have a decimal point."""

    ignores_unknown: ClassVar[bool] = True

    @model_validator(mode="before")
    @classmethod
    def _with_integers(cls, values: Any) -> Any:
        """The values with integers where those are meant: `50.0` is 50."""
        if not isinstance(values, Mapping):
            return values
        return {
            name: int(value) if _is_whole(value) and cls._is_integer(name) else value
            for name, value in values.items()
        }

    @classmethod
    def _is_integer(cls, name: str) -> bool:
        field = cls.model_fields.get(name)
        return field is not None and int in get_args(field.annotation)


def _is_whole(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()
