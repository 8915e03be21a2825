"""What is wrong with an image, before it is known where in the request it stood."""

from __future__ import annotations


class BadImage(ValueError):
    """`code` is one that the official API has for images."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
