"""API keys, compared in constant time, and names of callers for fairness and limits."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from openedai.errors import AuthenticationFailed

_DIGITS = 16  # of a key's digest, in names


class Keyring:
    """The accepted keys. If there are none, no key is needed and any is accepted."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._digests = [_digest(key) for key in keys]

    def caller(self, presented: str | None, address: str) -> str:
        """An opaque name of the caller. Raises AuthenticationFailed.

        If keys are not checked, the dummy keys of local apps still distinguish the apps.
        """
        digest = None if presented is None else _digest(presented)
        if self._digests:
            self._check(presented, digest)
        return f"{address}/{'' if digest is None else digest.hex()[:_DIGITS]}"

    def owner(self, caller: str) -> str:
        """Whose the objects of this caller are: a digest of the key, or empty for the local user,
        whose apps share everything.
        """
        return caller.rpartition("/")[2] if self._digests else ""

    def _check(self, presented: str | None, digest: bytes | None) -> None:
        if presented is None or digest is None:
            raise AuthenticationFailed(
                "You didn't provide an API key. You need to provide your API key in an "
                "Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
            )
        matches = [hmac.compare_digest(digest, known) for known in self._digests]
        if not any(matches):
            raise AuthenticationFailed(
                f"Incorrect API key provided: {_masked(presented)}.", code="invalid_api_key"
            )


def bearer_key(authorization: str | None, api_key: str | None) -> str | None:
    """The key of `Authorization: Bearer …`, or else of a header for keys; None if there is none."""
    if authorization is not None:
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() == "bearer" and key.strip():
            return key.strip()
    return api_key or None


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _masked(key: str) -> str:
    return f"{key[:3]}{'*' * 8}{key[-4:]}" if len(key) >= 12 else "*" * 8
