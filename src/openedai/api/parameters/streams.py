"""The end mark and the padding of OpenAI's streams."""

from __future__ import annotations

import secrets

DONE = b"data: [DONE]\n\n"
_PADDING = 16


def obfuscation(text: str) -> str:
    """Random letters that bring a chunk with `text` to a length that says little about it."""
    missing = -len(text) % _PADDING
    return secrets.token_urlsafe(_PADDING)[:missing]
