"""The text of a key: made here, shown once, and kept as a digest only.

A key has 256 random bits, so nobody can guess the key of a digest. A slow hash would only help with
keys that people choose, and would slow down each request.
"""

from __future__ import annotations

import hashlib
import secrets
import string

PREFIX = "sk-openedai-"
_LETTERS = string.ascii_letters + string.digits
_LENGTH = 43  # 62**43 > 2**256
_SHOWN = 4


def new_secret() -> str:
    """A new key."""
    return PREFIX + "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))


def digest_of(key: str) -> bytes:
    """The SHA-256 digest of a key, whoever made it: 32 bytes."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def hint_of(key: str) -> str:
    """What is shown of a new key later, so that people know which one it is."""
    return f"{PREFIX}…{key[-_SHOWN:]}"
