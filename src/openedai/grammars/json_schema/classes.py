"""Writes classes of characters in patterns so that llguidance reads them correctly in JSON.

Its notation has operators that JSON Schema's does not have. And if a class contains NUL, which it
never writes, it also takes escaped quotes and backslashes for members of the class.
"""

from __future__ import annotations

import re

from openedai.grammars.json_schema.errors import UnsupportedSchema

_TOKEN = re.compile(r"\\x..|\\u....|\\c.|\\.|\[\^?\]|\[(?:\\.|[^\]\\])+\]|.", re.DOTALL)
_NUL = re.compile(r"\\(?:0|x00|u0000|c@)|\0")
_NOTHING = "[a&&b]"
_MAY_HAVE_NUL = re.compile(r"\^|.*(?:\\[0xuc]|[\0-\x1f])", re.DOTALL)
_OPERATOR = re.compile(r"(\\.)|([\[&~])", re.DOTALL)


def safe_classes(pattern: str, path: str) -> str:
    """The pattern without NUL, and with classes that mean the same in both notations.

    Raises UnsupportedSchema.
    """
    return "".join(_safe(token, path) for token in _TOKEN.findall(pattern))


def _safe(token: str, path: str) -> str:
    if _NUL.fullmatch(token):
        return _NOTHING
    return _class(token, path) if token[0] == "[" and len(token) > 1 else token


def _class(token: str, path: str) -> str:
    inside = token[1:-1]
    if inside in ("", "^") or "--" in inside:
        raise UnsupportedSchema(f"`{token[:20]}` in a pattern is not supported", path)
    inside = _OPERATOR.sub(lambda found: found[1] or f"\\{found[2]}", inside)
    return rf"[[{inside}]&&[^\x00]]" if _MAY_HAVE_NUL.match(inside) else f"[{inside}]"
