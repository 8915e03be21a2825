"""The keys of the database with what limits them, for which the admin API has no fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.console.admin import require_admin
from openedai.api.endpoint_groups import GROUPS
from openedai.api.parameters.keys import Name, Scoped
from openedai.api.route import takes
from openedai.catalog.catalog import Catalog
from openedai.config import Settings
from openedai.errors import InvalidRequest, ModelNotFound, NotFound, invalid_value
from openedai.http.exchange import exchange_of
from openedai.http.respond import json_response
from openedai.identity import API
from openedai.security.administration import Administration
from openedai.security.limits.of_key import NAMES, split_limits
from openedai.store.keys.records import ApiKey

_Model = Annotated[str, Field(min_length=1, max_length=512)]


class KeyCreateRequest(Scoped):
    """`project` is its id or name; without one a project with the key's name is made. `owner` says
    whose the key is. No list, or an empty one, stands for all models. `limits` are how much it may
    use, by names of the settings, with the `storage_bytes` of its project; 0 is no limit.
    """

    name: Name
    project: Name | None = None
    owner: Annotated[str, Field(max_length=200)] = ""
    admin: bool = False
    models: Annotated[list[_Model], Field(max_length=100)] | None = None
    limits: Annotated[dict[str, int], Field(max_length=len(NAMES))] | None = None

    def check(self) -> None:
        super().check()
        if not self.name.strip() or not self.name.isprintable():
            raise invalid_value("name", "it is not a line of text")
        if self.admin and self.scopes:
            raise invalid_value("scopes", "an admin key may do everything")
        split_limits(self.limits or {})


class KnownKey(msgspec.Struct):
    """A key without its text, of which `hint` is what may be shown. `models` and `endpoints` are
    what it may use, None for all, and `limits` how much. Times are seconds since 1970.
    """

    id: str
    hint: str
    name: str
    project: str
    owner: str
    admin: bool
    models: tuple[str, ...] | None
    endpoints: tuple[str, ...] | None
    limits: Mapping[str, int]
    created_at: float
    expires_at: float | None
    last_used_at: float | None
    expired: bool


class KnownKeys(msgspec.Struct):
    """The keys that are not revoked, and the groups of URLs and the limits that a key can have."""

    keys: list[KnownKey]
    groups: tuple[str, ...]
    limits: tuple[str, ...]


class NewKey(msgspec.Struct):
    """`value` is the key's text, which is never shown again. `first`: none was needed before."""

    key: KnownKey
    value: str
    first: bool


class ConsoleKeys:
    """Keys are revoked by the admin resources."""

    def __init__(
        self, calls: Calls, administration: Administration, catalog: Catalog, settings: Settings
    ) -> None:
        self._calls = calls
        self._administration = administration
        self._catalog = catalog
        self._settings = settings

    async def list_keys(self, request: Request) -> Response:
        """The keys of all projects, from the oldest."""
        require_admin(exchange_of(request.scope))
        keys = await self._administration.keys.all()
        known = [_known(key) for key in keys if key.revoked_at is None]
        return json_response(KnownKeys(known, (API, *GROUPS), NAMES))

    @takes(KeyCreateRequest)
    async def create(self, request: Request) -> Response:
        """Make a key. There must be an admin's before any other, or nobody could use this."""
        require_admin(exchange_of(request.scope))
        body, headers = await self._calls.body(request, KeyCreateRequest)
        self._check_models(body.models or ())
        if not (body.admin or self._settings.api_key or await self._administration.has_admin()):
            raise InvalidRequest(
                "There is no admin key yet: make one first, or nobody could manage the server.",
                param="admin",
            )
        limits, storage_bytes = split_limits(body.limits or {})
        new_key = ApiKey(
            project=(body.project or "").strip(),
            name=body.name.strip(),
            owner=body.owner.strip(),
            admin=body.admin,
            models=tuple(dict.fromkeys(body.models or ())) or None,
            endpoints=body.endpoints,
            expires_at=body.expires_at,
            limits=limits,
        )
        made = await self._administration.create_key(new_key, storage_bytes)
        first = made.first and not self._settings.keys
        return json_response(NewKey(_known(made.key), made.secret, first), headers=headers)

    def _check_models(self, names: Sequence[str]) -> None:
        """Raise NotFound for a name that no model of this server has."""
        for index, name in enumerate(names):
            try:
                self._catalog.resolve(name)
            except ModelNotFound:
                like = self._catalog.nearest(name)
                hint = f" Did you mean `{like}`?" if like else ""
                raise NotFound(
                    f"No model is named `{name}`.{hint}",
                    code="model_not_found",
                    param=f"models[{index}]",
                ) from None


def _known(key: ApiKey) -> KnownKey:
    fields = [name for name in KnownKey.__struct_fields__ if name != "expired"]
    return KnownKey(**{name: getattr(key, name) for name in fields}, expired=key.expired())
