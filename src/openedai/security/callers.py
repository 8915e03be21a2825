"""Names of callers, for fairness and limits, and the keys that requests present."""

from __future__ import annotations

_DIGITS = 16  # of a key's digest, in names


def caller_name(address: str, digest: bytes | None, *, checked: bool) -> str:
    """An opaque name of who presents the key with this digest, or none, at this address.

    What is before the slash takes turns with others, and what is after it with others of the same.
    A key that is `checked` gets no more turns from many addresses than from one. If keys are not
    checked, an address gets no more with many keys, but the dummy keys of local apps still
    distinguish the apps.
    """
    key = "" if digest is None else digest_name(digest)
    return f"{key}/{address}" if checked else f"{address}/{key}"


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
