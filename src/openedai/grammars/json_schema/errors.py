"""The error for a schema that is not enforced, and the JSON pointers in it."""

from __future__ import annotations


class UnsupportedSchema(ValueError):
    """The schema is not well-formed, or cannot be enforced. `path` is the JSON pointer to the
    cause.
    """

    def __init__(self, why: str, path: str) -> None:
        super().__init__(f"{why} (at `{path}`)")
        self.path = path


def below(path: str, *steps: str | int) -> str:
    """The JSON pointer that leads from `path` on by these steps."""
    escaped = (str(step).replace("~", "~0").replace("/", "~1") for step in steps)
    return "/".join([path, *escaped])
