"""The error of an image, without the parameter of the request that has it."""

from __future__ import annotations


class BadImage(ValueError):
    """`code` is one of the official API's codes for images."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
