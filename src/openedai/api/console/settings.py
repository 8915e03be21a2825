"""The settings in force, and where each comes from; secrets are never shown."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any, get_type_hints

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.console.admin import require_admin
from openedai.config import ModelSpec, Origin, Secret, Settings
from openedai.engines.registry import SECRET_OPTIONS
from openedai.http.exchange import exchange_of
from openedai.http.respond import json_response

HIDDEN = "…"
_CREDENTIALS = re.compile(r"(?<=//)[^/@\s]+(?=@)")


class SettingInForce(msgspec.Struct):
    """`value` and `default` are as in JSON; a secret is an ellipsis if it is set, and None if
    not.
    """

    name: str
    group: str
    value: Any
    default: Any
    origin: Origin
    meaning: str


class ConsoleSettings:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def list_settings(self, request: Request) -> Response:
        require_admin(exchange_of(request.scope))
        return json_response({"settings": list(self._in_force())})

    def _in_force(self) -> Iterator[SettingInForce]:
        hints = get_type_hints(Settings, include_extras=True)
        for group in Settings.__bases__:
            for field in dataclasses.fields(group):
                yield SettingInForce(
                    name=field.name,
                    group=group.__name__,
                    value=shown(getattr(self._settings, field.name)),
                    default=shown(_default(field)),
                    origin=self._settings.origin(field.name),
                    meaning=_meaning(hints[field.name]),
                )


def shown(value: Any) -> Any:
    """A value for JSON, without secrets and the credentials of addresses."""
    if isinstance(value, Secret):
        return HIDDEN if value.reveal() else None
    if isinstance(value, ModelSpec):
        value = msgspec.structs.asdict(value)
    if isinstance(value, msgspec.Struct):
        value = msgspec.to_builtins(value)
    if isinstance(value, dict):
        return {
            name: HIDDEN if name in SECRET_OPTIONS and one else shown(one)
            for name, one in value.items()
        }
    if isinstance(value, (tuple, list, frozenset)):
        return [shown(one) for one in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return _CREDENTIALS.sub(HIDDEN, str(value))


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


def _meaning(annotated: Any) -> str:
    return next((one for one in annotated.__metadata__ if isinstance(one, str)), "")
