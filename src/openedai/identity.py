"""Whose key a request has."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Identity:
    """Whose key a request has, and what the key may do.

    `key_id` is the id of a key of the store, a name made of the digest of a key of the settings,
    or empty for the local user of a server without keys. `project` is whose everything is that the
    request stores. `admin` keys may manage the server. `models` are the names of the models, and
    `endpoints` those of the groups of URLs, that the key may use; None for all. `limits` are the
    key's own, each with its name in the settings.
    """

    key_id: str = ""
    name: str = ""
    project: str = ""
    admin: bool = False
    models: tuple[str, ...] | None = None
    endpoints: tuple[str, ...] | None = None
    limits: tuple[tuple[str, int], ...] = ()


NOBODY = Identity()
# Among the endpoints of an identity, this stands for all groups of the API, but not those of the
# server.
API = "api"
