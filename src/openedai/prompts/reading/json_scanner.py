"""JSON that comes in chunks."""

from __future__ import annotations

import re

import msgspec

_CLOSINGS = {"{": "}", "[": "]"}
_OUTSIDE = re.compile(r"[\s,:0-9eE+\-.truefalsn]*")
_INSIDE = re.compile(r'[^"\\\x00-\x1f]*')


class JsonScanner:
    """Finds the end of a JSON object, array or string in a text that comes in chunks.

    It matches brackets and strings, and fails at characters that JSON does not have. A parser must
    check the complete value. `inside` is the closing bracket of a value that has begun before.
    """

    def __init__(self, inside: str = "") -> None:
        self.ended = False
        self.failed = False
        self._closings = [inside] if inside else []
        self._in_string = False
        self._escaped = False

    def feed(self, text: str, start: int = 0) -> int:
        """Scan the text from `start` on; returns the index up to which it belongs to the value."""
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
                self._scan(text[position])
                position += not self.failed
        return position

    def _scan(self, character: str) -> None:
        """Handle a character that has a meaning, or is not valid here."""
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
    """The JSON text of an object, given its JSON text or that of a string that contains it.

    null becomes an empty object. Empty for any other value.
    """
    if value.startswith('"'):
        try:
            value = msgspec.json.decode(value, type=str)
        except msgspec.DecodeError:
            return ""
    if value == "null":
        return "{}"
    return value if is_object(value) else ""
