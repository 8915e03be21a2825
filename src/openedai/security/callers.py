"""Names of callers, for fairness and limits, and the keys that requests present."""

from __future__ import annotations

_DIGITS = 16  # of a key's digest, in names


def caller_name(address: str, digest: bytes | None) -> str:
    """An opaque name of who presents the key with this digest, or none, at this address.

    If keys are not checked, the dummy keys of local apps still distinguish the apps.
    """
    return f"{address}/{'' if digest is None else digest_name(digest)}"


def digest_name(digest: bytes) -> str:
    """The name of a key of the settings, and of whose everything is that was made with it."""
    return digest.hex()[:_DIGITS]


def bearer_key(authorization: str | None, api_key: str | None) -> str | None:
    """The key of `Authorization: Bearer …`, or else of a header for keys; None if there is none."""
    if authorization is not None:
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() == "bearer" and key.strip():
            return key.strip()
    return api_key or None


def masked(presented: str) -> str:
    """What an error may show of a key that is not accepted."""
    return f"{presented[:3]}{'*' * 8}{presented[-4:]}" if len(presented) >= 12 else "*" * 8
