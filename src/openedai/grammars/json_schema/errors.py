"""What is told to someone whose schema is not enforced."""

from __future__ import annotations


class UnsupportedSchema(ValueError):
    """The schema can't be enforced exactly; `path` is the pointer to what is to blame."""

    def __init__(self, why: str, path: str) -> None:
        super().__init__(f"{why} (at `{path}`)")
        self.path = path


def below(path: str, *steps: str | int) -> str:
    """The JSON pointer to something inside what `path` points to."""
    escaped = (str(step).replace("~", "~0").replace("/", "~1") for step in steps)
    return "/".join([path, *escaped])
