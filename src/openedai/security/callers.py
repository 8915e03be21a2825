"""Names of callers, for fairness and limits, and the keys that requests present."""

from __future__ import annotations

_DIGITS = 16  # of a key's digest, in names


def caller_name(address: str, digest: bytes | None, *, checked: bool) -> str:
    """An opaque name for whoever presents the key with this digest, or no key, from this address.

    The parts before the slash take turns with each other, and within one of them so do the parts
    after it. A key that is `checked` gets no more turns from many addresses than from one. If keys
    are not checked, an address gets no more turns with many keys, but the dummy keys of local apps
    still distinguish the apps.
    """
    key = "" if digest is None else digest_name(digest)
    return f"{key}/{address}" if checked else f"{address}/{key}"


def digest_name(digest: bytes) -> str:
    """The name of a key in the settings, and of the owner of everything made with it."""
    return digest.hex()[:_DIGITS]


def bearer_key(authorization: str | None, api_key: str | None) -> str | None:
    """The key of `Authorization: Bearer …`, or else of a header for keys; None if there is none."""
    if authorization is not None:
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() == "bearer" and key.strip():
            return key.strip()
    return api_key or None


def masked(presented: str) -> str:
    """The part of an invalid key that an error may show."""
    return f"{presented[:3]}{'*' * 8}{presented[-4:]}" if len(presented) >= 12 else "*" * 8
