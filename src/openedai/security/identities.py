"""Who a request is from: the keys of the settings, those of the store, and the local user."""

from __future__ import annotations

import hmac

from openedai.config import Settings
from openedai.errors import AuthenticationFailed
from openedai.identity import Identity
from openedai.security.callers import digest_name, masked
from openedai.security.uses import KeyUses
from openedai.store.keys.lookup import KeyLookup
from openedai.store.keys.records import ApiKey
from openedai.store.keys.secret import digest_of

LOCAL_USER = Identity(admin=True)


class Identities:
    """Keys in the settings are compared in constant time.

    If neither the settings nor the store have keys, none is needed and any is accepted: whoever can
    reach the server is its local user, if the server is meant for them.
    """

    def __init__(self, settings: Settings, lookup: KeyLookup, uses: KeyUses) -> None:
        self._configured = configured(settings)
        self._lookup = lookup
        self._uses = uses
        self._open = not settings.tunnel and (settings.on_loopback or settings.no_auth)

    async def identify(self, presented: str | None, digest: bytes | None) -> Identity:
        """Who presents this key. Raises AuthenticationFailed, and Unavailable if the database does
        not answer.
        """
        if digest is not None:
            matches = [
                identity
                for known, identity in self._configured
                if hmac.compare_digest(digest, known)
            ]
            if matches:
                return matches[0]
        looked = await self._lookup.find("" if digest is None else digest.hex())
        if looked.key is not None and presented is not None:
            _check(looked.key, presented)
            self._uses.note(looked.key.id)
            return looked.key.identity
        if self._open and not looked.needed and not self._configured:
            return LOCAL_USER
        raise _refusal(presented)


def configured(settings: Settings) -> list[tuple[bytes, Identity]]:
    """The digest of each key in the settings, and whose it is. The key `api_key` is an admin's."""
    single = settings.api_key.reveal() if settings.api_key else ""
    found = []
    for key in settings.keys:
        digest = digest_of(key)
        name = digest_name(digest)
        title = "api_key" if key == single else "api_keys"
        found.append((digest, Identity(name, title, name, admin=key == single)))
    return found


def _check(key: ApiKey, presented: str) -> None:
    if key.revoked_at is not None:
        raise _refusal(presented)
    if key.expired():
        raise AuthenticationFailed(
            f"The API key {masked(presented)} has expired.", code="invalid_api_key"
        )


def _refusal(presented: str | None) -> AuthenticationFailed:
    if presented is None:
        return AuthenticationFailed(
            "You didn't provide an API key. You need to provide your API key in an "
            "Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
        )
    return AuthenticationFailed(
        f"Incorrect API key provided: {masked(presented)}.", code="invalid_api_key"
    )
