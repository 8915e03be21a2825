"""The keys in the database with their limits, for which the admin API has no fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
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


class KeyUpdateRequest(Scoped):
    """`owner` says whose the key is. No list, or an empty one, stands for all models and for all of
    the API. `limits` are how much it may use, by names of the settings, with the `storage_bytes` of
    its project; 0 is no limit.

    What is left out stays, and so does each limit; without an end is a key whose
    `expires_in_seconds` is null.
    """

    name: Name | None = None
    owner: Annotated[str, Field(max_length=200)] | None = None
    models: Annotated[list[_Model], Field(max_length=100)] | None = None
    limits: Annotated[dict[str, int], Field(max_length=len(NAMES))] | None = None

    def check(self) -> None:
        super().check()
        if self.name is not None and (not self.name.strip() or not self.name.isprintable()):
            raise invalid_value("name", "it is not a line of text")
        split_limits(self.limits or {})

    @property
    def allowed_models(self) -> tuple[str, ...] | None:
        """The models as an identity has them."""
        return tuple(dict.fromkeys(self.models or ())) or None

    def changed(self, key: ApiKey) -> ApiKey:
        """The key with the changes in the body."""
        given = self.model_fields_set
        limits, _ = split_limits(self.limits or {})
        return replace(
            key,
            name=key.name if self.name is None else self.name.strip(),
            owner=key.owner if self.owner is None else self.owner.strip(),
            models=self.allowed_models if "models" in given else key.models,
            endpoints=self.endpoints if "scopes" in given else key.endpoints,
            expires_at=self.expires_at if "expires_in_seconds" in given else key.expires_at,
            limits={**key.limits, **limits},
        )


class KeyCreateRequest(KeyUpdateRequest):
    """`project` is its id or name; without one a project with the key's name is made."""

    name: Name
    project: Name | None = None
    admin: bool = False

    def check(self) -> None:
        super().check()
        if self.admin and self.scopes:
            raise invalid_value("scopes", "an admin key may do everything")


class KnownKey(msgspec.Struct):
    """A key without its text, of which `hint` is what may be shown. `models` and `endpoints` are
    what it may use, None for all, and `limits` how much. `storage_bytes` are those of the files
    that its project may keep: 0 for no limit, None for that of the settings. Times are seconds
    since 1970.
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
    storage_bytes: int | None
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
        """The keys of all projects, the oldest first."""
        require_admin(exchange_of(request.scope))
        keys = await self._administration.keys.all()
        storage = await self._administration.projects.storage()
        known = [_known(key, storage) for key in keys if key.revoked_at is None]
        return json_response(KnownKeys(known, (API, *GROUPS), NAMES))

    @takes(KeyCreateRequest)
    async def create(self, request: Request) -> Response:
        """Make a key. The first one has to be an admin key, or nobody could use this any more."""
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
            owner=(body.owner or "").strip(),
            admin=body.admin,
            models=body.allowed_models,
            endpoints=body.endpoints,
            expires_at=body.expires_at,
            limits=limits,
        )
        made = await self._administration.create_key(new_key, storage_bytes)
        first = made.first and not self._settings.keys
        storage = await self._administration.projects.storage()
        known = _known(made.key, storage)
        return json_response(NewKey(known, made.secret, first), headers=headers)

    @takes(KeyUpdateRequest)
    async def update(self, request: Request) -> Response:
        """Change what a key is called, or what and how much it may use until when."""
        require_admin(exchange_of(request.scope))
        body, headers = await self._calls.body(request, KeyUpdateRequest)
        self._check_models(body.models or ())
        _, storage_bytes = split_limits(body.limits or {})
        id = request.path_params["id"]
        key = await self._administration.change_key(id, body.changed, storage_bytes)
        storage = await self._administration.projects.storage()
        return json_response(_known(key, storage), headers=headers)

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


def _known(key: ApiKey, storage: Mapping[str, int | None]) -> KnownKey:
    """`storage` has what projects may keep, by their ids."""
    own = set(KnownKey.__struct_fields__) - {"storage_bytes", "expired"}
    return KnownKey(
        **{name: getattr(key, name) for name in own},
        storage_bytes=storage.get(key.project),
        expired=key.expired(),
    )
