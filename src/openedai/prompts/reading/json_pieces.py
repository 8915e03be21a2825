"""JSON that comes in pieces."""

from __future__ import annotations

import re

import msgspec

_CLOSINGS = {"{": "}", "[": "]"}
_OUTSIDE = re.compile(r"[\s,:0-9eE+\-.truefalsn]*")
_INSIDE = re.compile(r'[^"\\\x00-\x1f]*')


class JsonEnd:
    """Finds the end of a JSON object, list or string in a text that comes in pieces.

    It looks at brackets and strings, and fails at what can't stand in JSON at all. The rest is
    for a parser, once the value is whole. `inside` is the closing bracket of a value that has
    begun before.
    """

    def __init__(self, inside: str = "") -> None:
        self.ended = False
        self.failed = False
        self._closings = [inside] if inside else []
        self._in_string = False
        self._escaped = False

    def feed(self, text: str, start: int = 0) -> int:
        """Look at the text from `start` on. The index up to which it belongs to the value."""
        position = start
        while position < len(text) and not (self.ended or self.failed):
            if self._escaped:
                self._escaped = False
                position += 1
                continue
            plain = _INSIDE if self._in_string else _OUTSIDE
            found = plain.match(text, position)
            position = found.end() if found else position
            if position < len(text):
                self._see(text[position])
                position += not self.failed
        return position

    def _see(self, character: str) -> None:
        """A character that has a meaning, or none that could stand here."""
        if character == '"':
            self._in_string = not self._in_string
            self.ended = not self._in_string and not self._closings
        elif self._in_string:
            self._escaped = character == "\\"
            self.failed = not self._escaped
        elif character in _CLOSINGS:
            self._closings.append(_CLOSINGS[character])
        elif self._closings and character == self._closings[-1]:
            self._closings.pop()
            self.ended = not self._closings
        else:
            self.failed = True


def is_object(text: str) -> bool:
    """Whether the whole text is a JSON object."""
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except (msgspec.DecodeError, RecursionError):
        return False


def object_text(value: str) -> str:
    """The JSON text of an object that was written as such, or as a string that holds it.

    Empty if the value is neither; null is an empty object.
    """
    if value.startswith('"'):
        try:
            value = msgspec.json.decode(value, type=str)
        except msgspec.DecodeError:
            return ""
    if value == "null":
        return "{}"
    return value if is_object(value) else ""
