"""Ids and fingerprints in the shape of the official API."""

from __future__ import annotations

import hashlib
import secrets
import string

from openedai import __version__
from openedai.catalog.models import Model

_ALPHABET = string.ascii_letters + string.digits


def new_id(prefix: str, length: int = 29) -> str:
    """The prefix and `length` random letters and digits."""
    letters = (_ALPHABET[byte % len(_ALPHABET)] for byte in secrets.token_bytes(length))
    return prefix + "".join(letters)


def fingerprint(model: Model) -> str:
    """A fingerprint of the model, its options and the version of this server."""
    text = f"{__version__} {model.variant} ".encode() + model.spec.digest_input()
    return "fp_" + hashlib.sha256(text).hexdigest()[:10]
