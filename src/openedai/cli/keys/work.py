"""`openedai keys …`: make, list, show, limit, revoke and forget the keys of the database."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from rich.console import Console
from rich.table import Table

from openedai.api.endpoint_groups import GROUPS
from openedai.catalog.catalog import Catalog
from openedai.cli.messages import bold, say
from openedai.config import Settings
from openedai.errors import InvalidRequest, ModelNotFound, NotFound
from openedai.identity import API
from openedai.security.administration import Administration, MadeKey
from openedai.security.limits.of_key import STORAGE, split_limits
from openedai.store.keys.records import ApiKey, no_such_key
from openedai.store.store import Store

T = TypeVar("T")

_LONGEST_NAME = 200
_UNITS = {"m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0, "y": 365 * 86400.0}


def create(
    settings: Settings, new_key: ApiKey, storage_bytes: int | None, *, as_json: bool
) -> None:
    """Make a key. Its text goes to standard output, everything else to standard error.

    Its project may keep `storage_bytes` from now on, if given. Raises InvalidRequest and NotFound.
    """
    if new_key.admin and new_key.endpoints:
        raise InvalidRequest("An admin key may do everything: leave out --endpoints.")
    _check(settings, new_key.models, new_key.endpoints)

    async def make(administration: Administration) -> tuple[MadeKey, bool]:
        made = await administration.create_key(new_key, storage_bytes)
        return made, await administration.has_admin()

    made, has_admin = _run(settings, make)
    print(_json(_shown(made.key) | {"key": made.secret}) if as_json else made.secret)
    say(f"This is the key {bold(made.key.name)}, {made.key.id}, of the project {made.key.project}.")
    say("Copy it now: only a hash of it is stored, and it is not shown again.")
    if made.first and not settings.keys:
        say(
            "From now on every request needs a key, also on this machine and to servers that are "
            f"already running. To undo that: openedai keys revoke {made.key.id}, then openedai "
            "keys forget."
        )
    if not has_admin and not settings.api_key:
        say(
            "There is no admin key, so nobody can use /v1/organization, /metrics or the admin "
            "pages of the console. To create one: openedai keys create NAME --admin."
        )


def list_keys(settings: Settings, console: Console, *, every: bool) -> None:
    """Print a table of the keys that are accepted, or of all."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("ID", "NAME", "KEY", "PROJECT", "MAY USE", "LAST USED", "STATE"):
        table.add_column(title, overflow="fold")
    keys = _found(settings, every=every)
    if not keys:
        say("There are no keys." if every else "There are no keys that are accepted.")
        return
    for key in keys:
        used = _time(key.last_used_at) or "never"
        table.add_row(key.id, key.name, key.hint, key.project, _rights(key), used, _state(key))
    console.print(table)


def list_keys_as_json(settings: Settings, *, every: bool) -> str:
    return _json([_shown(key) for key in _found(settings, every=every)])


def show(settings: Settings, id: str, console: Console) -> None:
    """Print what is known about one key. Raises NotFound."""
    for name, value in _all_of(settings, id).items():
        console.print(f"{name:16}  {_text(value)}", markup=False, soft_wrap=True)


def show_as_json(settings: Settings, id: str) -> str:
    return _json(_all_of(settings, id))


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change of a key, as given on the command line; None leaves a field as it is.

    `expires` may be `never`, and `models` may be `*`. `storage_bytes` is for the key's project.
    """

    name: str | None = None
    owner: str | None = None
    expires: str | None = None
    models: tuple[str, ...] | None = None
    endpoints: tuple[str, ...] | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    storage_bytes: int | None = None

    def made_of(self, key: ApiKey) -> ApiKey:
        """The key with this change. Raises InvalidRequest."""
        changed: dict[str, Any] = {
            name: value
            for name in ("name", "owner", "endpoints")
            if (value := getattr(self, name)) is not None
        }
        if self.expires is not None:
            changed["expires_at"] = None if self.expires == "never" else expiry(self.expires)
        if self.models is not None:
            changed["models"] = None if self.models == ("*",) else self.models
        return replace(key, **changed, limits={**key.limits, **self.limits})


def edit(settings: Settings, id: str, change: Change) -> None:
    """Change the given fields of a key. Raises InvalidRequest and NotFound."""
    if change == Change():
        raise InvalidRequest("Nothing to change: give at least one option, such as --limit.")
    _check(settings, change.models, change.endpoints)
    if not _store(settings).exists:
        raise no_such_key(id)
    key = _run(settings, lambda found: found.change_key(id, change.made_of, change.storage_bytes))
    ends = _time(key.expires_at) or "never"
    say(f"{bold(key.name)} ({key.id}) may use from now on: {_rights(key)}. It expires: {ends}.")
    say(f"Its limits are: {_text(key.limits)}.")
    if change.storage_bytes is not None:
        say(f"The project {key.project} may keep {change.storage_bytes or 'any number of'} bytes.")


def revoke(settings: Settings, ids: Sequence[str]) -> None:
    """Have every server refuse the keys from now on. Raises NotFound."""
    if not _store(settings).exists:
        raise no_such_key(ids[0])

    async def end(administration: Administration) -> None:
        for id in ids:
            key = await administration.revoke(id)
            say(f"{bold(key.name)} ({key.id}) is revoked.")
        if not await administration.has_admin() and not settings.api_key:
            say(
                "No admin key is left. To create one: openedai keys create NAME --admin. To need "
                "no keys again, revoke the others too, and then run openedai keys forget."
            )

    _run(settings, end)


def forget(settings: Settings) -> None:
    """Delete the keys that are revoked or expired."""
    if not _store(settings).exists:
        say("There are no keys.")
        return
    gone, left = _run(settings, Administration.forget)
    say(f"{gone} key{'' if gone == 1 else 's'} forgotten, {left} left.")
    if not left and not settings.keys:
        say("Requests on this machine need no key now.")


def expiry(text: str | None) -> float | None:
    """When a key expires that lasts `30d`, `12h` or the like, in seconds since 1970.

    Raises InvalidRequest.
    """
    if text is None:
        return None
    match = re.fullmatch(rf"([1-9]\d{{0,5}})([{''.join(_UNITS)}])", text)
    if match is None:
        raise InvalidRequest(
            f"--expires: '{text}' is not a duration such as 90m, 12h, 30d, 4w or 1y."
        )
    return time.time() + int(match[1]) * _UNITS[match[2]]


def name(text: str) -> str:
    """The name of a key, as it was given. Raises InvalidRequest."""
    if not text.strip() or len(text) > _LONGEST_NAME or not text.isprintable():
        raise InvalidRequest(f"A key's name is a line of 1 to {_LONGEST_NAME} characters.")
    return text.strip()


def names(text: str | None) -> tuple[str, ...] | None:
    """The names in a comma-separated list; None if nothing is given. Raises InvalidRequest."""
    if text is None:
        return None
    found = tuple(dict.fromkeys(filter(None, map(str.strip, text.split(",")))))
    if not found:
        raise InvalidRequest("A list of names is empty.")
    return found


def limits(texts: Sequence[str]) -> tuple[dict[str, int], int | None]:
    """The limits in texts such as `tokens_per_day=100000`, and the bytes that the project may keep.

    Raises InvalidRequest.
    """
    found = {}
    for text in texts:
        match = re.fullmatch(r"([a-z_]+)=([0-9][0-9_]{0,17})", text)
        if match is None or match[2].endswith("_"):
            raise InvalidRequest(f"--limit: '{text}' is not of the form tokens_per_day=100000.")
        found[match[1]] = int(match[2].replace("_", ""))
    return split_limits(found)


def _check(
    settings: Settings, models: tuple[str, ...] | None, endpoints: tuple[str, ...] | None
) -> None:
    """Raise InvalidRequest for groups of URLs that do not exist, and say which models do not."""
    known = (API, *GROUPS)
    if unknown := [name for name in endpoints or () if name not in known]:
        raise InvalidRequest(
            f"--endpoints: there is no group '{unknown[0]}'; the groups are {', '.join(known)}."
        )
    catalog = Catalog(settings)
    for name in models or ():
        if name == "*":
            continue
        try:
            catalog.resolve(name)
        except ModelNotFound:
            like = catalog.nearest(name)
            hint = f"did you mean '{like}'?" if like else "openedai models list shows the names."
            say(f"Warning: no model is named '{name}' in this configuration; {hint}")


def _found(settings: Settings, *, every: bool) -> list[ApiKey]:
    if not _store(settings).exists:
        return []
    keys = _run(settings, lambda administration: administration.keys.all())
    return [key for key in keys if every or _state(key) == "accepted"]


def _find(settings: Settings, id: str) -> ApiKey:
    if not _store(settings).exists:
        raise no_such_key(id)
    return _run(settings, lambda administration: administration.keys.find(id))


def _all_of(settings: Settings, id: str) -> dict[str, Any]:
    key = _find(settings, id)

    async def find(administration: Administration) -> int | None:
        try:
            return (await administration.projects.find(key.project)).storage_bytes
        except NotFound:
            return None

    return _shown(key) | {STORAGE: _run(settings, find)}


def _run(settings: Settings, work: Callable[[Administration], Coroutine[Any, Any, T]]) -> T:
    async def run() -> T:
        store = _store(settings)
        try:
            return await work(Administration(store))
        finally:
            await store.close()

    return asyncio.run(run())


def _store(settings: Settings) -> Store:
    return Store(settings.data, settings.database.reveal() if settings.database else "")


def _shown(key: ApiKey) -> dict[str, Any]:
    """What is shown of a key, with times in ISO 8601."""
    values = asdict(key)
    times = {name: _time(value) for name, value in values.items() if name.endswith("_at")}
    return values | times | {"state": _state(key)}


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expired() else "accepted"


def _rights(key: ApiKey) -> str:
    if key.admin:
        return "everything (admin)"
    limits = [*(key.endpoints or (API,)), *(f"only {name}" for name in key.models or ())]
    return ", ".join(limits)


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        value = tuple(f"{name}={limit}" for name, limit in value.items()) or None
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return "-" if value is None else str(value)


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value)).decode()
