"""The text in the arguments of a tool that takes one text, `{"input": "…"}`, while they arrive."""

from __future__ import annotations

import re

import msgspec

# What can be decoded so far: whole characters and escapes, surrogates only in pairs.
_WHOLE = re.compile(
    r'(?:[^"\\]|\\["\\/bfnrt]'
    r"|\\u(?![dD][89a-bA-B])[0-9a-fA-F]{4}"
    r"|\\u[dD][89a-bA-B][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})*"
)


class InputReader:
    """`name` is the name of the argument."""

    def __init__(self, name: str = "input") -> None:
        self._name = name
        self._start = re.compile(rf'\s*\{{\s*"{name}"\s*:\s*"')
        self._arguments = ""
        self._position: int | None = None
        self._texts: list[str] = []

    def feed(self, delta: str) -> str:
        """The text that the next part of the arguments adds."""
        self._arguments += delta
        if self._position is None:
            start = self._start.match(self._arguments)
            if start is None:
                return ""
            self._position = start.end()
        whole = _WHOLE.match(self._arguments, self._position)
        assert whole is not None
        self._position = whole.end()
        try:
            text: str = msgspec.json.decode(f'"{whole[0]}"', type=str) if whole[0] else ""
        except msgspec.DecodeError:  # a control character, which is not valid JSON
            text = whole[0]
        self._texts.append(text)
        return text

    def end(self) -> str:
        """The rest of the text; if the arguments are not as expected, all of them."""
        if self._position is not None or not self._arguments:
            return ""
        try:
            value = msgspec.json.decode(self._arguments)
        except msgspec.DecodeError:
            value = None
        text = value.get(self._name) if isinstance(value, dict) else self._arguments
        rest = text if isinstance(text, str) else ""
        self._texts.append(rest)
        return rest

    @property
    def text(self) -> str:
        """All of the text so far."""
        return "".join(self._texts)


def input_of(arguments: str) -> str:
    """The text in complete arguments."""
    reader = InputReader()
    reader.feed(arguments)
    reader.end()
    return reader.text
