"""Values that nobody expects, and how they get into a body."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

Values = list[Callable[[random.Random], Any]]

_TEXTS = [
    *("", " ", "\0", "\x1b[31m", "\r\nx: y", "a" * 300, "🦙", "e\u0301", "\u202e", "\ufdd0", "%0a"),
    *("null", "true", "NaN", "1", "-1", "1e999", "None", "../../etc/passwd", "'\"`;{{7*7}}{%"),
    *("<|im_end|>", "<think>", "</think>", '<tool_call>{"name": "x", "arguments":', "data: [DONE]"),
    *("https://example.invalid/a.png", "http://[bad", "data:image/png;base64,AAAA", "data:,"),
    *("user", "assistant", "system", "tool", "text", "json", "auto", "echo", "5m", "\ud7ff"),
]
_NUMBERS: list[float] = [
    *(0, 1, -1, 2, 3, 100, 127, 2**31 - 1, 2**31, -(2**31), 2**53, 2**63 - 1, 2**63, -(2**63)),
    *(2**64, 10**40, -(10**40), 0.0, -0.0, 0.5, 1.5, 1e-300, 1e300, -1e300, 1e400),
]
_SCHEMAS: list[Any] = [
    {"$ref": "#"},
    {"type": "object", "properties": 5},
    {"type": ["string", 5]},
    {"minimum": 10**40, "type": "integer"},
    {"enum": []},
    {"pattern": "(", "type": "string"},
    {"pattern": "(a?b?c?|a?b?)" * 10, "type": "string"},
    {"allOf": [{"type": "string"}, {"type": "integer"}]},
    {"type": "array", "minItems": 10**9},
]
_CONTAINERS: Values = [
    lambda r: [],
    lambda r: {},
    lambda r: [None],
    lambda r: {"": ""},
    lambda r: {"type": r.choice(_TEXTS)},
    lambda r: [r.choice(_TEXTS) for _ in range(r.choice((2, 5, 70)))],
    lambda r: [r.choice(_NUMBERS) for _ in range(r.choice((2, 5, 70)))],
    lambda r: [{} for _ in range(r.choice((1, 20)))],
    lambda r: nested(r.choice((5, 30, 150)), r.random() < 0.5),
]
_LARGE: Values = [
    lambda r: [0] * 50_000,
    lambda r: [{"role": "user", "content": "a"} for _ in range(2000)],
    lambda r: {str(index): index for index in range(20_000)},
    lambda r: "a \U0001f999" * 200_000,
    lambda r: [[] for _ in range(50_000)],
]
HOSTILE: Values = [
    lambda r: None,
    lambda r: r.random() < 0.5,
    lambda r: r.choice(_TEXTS),
    lambda r: r.choice(_NUMBERS),
    lambda r: r.choice(_CONTAINERS)(r),
    lambda r: copy.deepcopy(r.choice(_SCHEMAS)),
    lambda r: "".join(chr(r.randrange(1, 0xD800)) for _ in range(r.choice((1, 8, 60)))),
    lambda r: r.choice(_TEXTS) * r.choice((1, 2, 100)),
    lambda r: "x" * r.choice((10_000, 100_000)) if r.random() < 0.02 else "x",
    lambda r: r.getrandbits(r.choice((8, 31, 64, 200))),
    lambda r: r.choice(_LARGE)(r) if r.random() < 0.03 else r.random(),
]


def hostile(r: random.Random) -> Any:
    return r.choice(HOSTILE)(r)


def nested(depth: int, in_objects: bool) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = {"items": value} if in_objects else [value]
    return value


def mutated(r: random.Random, body: Any, times: int) -> Any:
    """A copy of the body with this many changes at random places."""
    root = [copy.deepcopy(body)]
    for _ in range(times):
        holder, key = r.choice(_places(root))
        _change(r, holder, key)
    return root[0]


def _places(root: list[Any]) -> list[tuple[Any, Any]]:
    """Where a value is: its array or object, and its index or name."""
    found: list[tuple[Any, Any]] = []
    waiting: list[Any] = [root]
    while waiting:
        holder = waiting.pop()
        items = enumerate(holder) if isinstance(holder, list) else holder.items()
        for key, value in items:
            found.append((holder, key))
            if isinstance(value, list | dict):
                waiting.append(value)
    return found


def _change(r: random.Random, holder: Any, key: Any) -> None:
    value = holder[key]
    match r.randrange(7):
        case 0 if isinstance(holder, dict):
            del holder[key]
        case 1 if isinstance(value, dict):
            value[str(hostile(r))[:500] if r.random() < 0.5 else "surprise"] = hostile(r)
        case 2 if isinstance(value, list) and 0 < len(value) < 100:
            one = r.choice(value)
            value.extend(copy.deepcopy(one) for _ in range(r.choice((1, 3, 40))))
        case 3 if isinstance(value, str):
            cut = r.randint(0, len(value))
            holder[key] = value[:cut] + r.choice(_TEXTS) + value[cut:]
        case 4 if isinstance(value, str) and value:
            holder[key] = value[: r.randrange(len(value))]
        case 5 if isinstance(value, int | float) and not isinstance(value, bool):
            holder[key] = r.choice(_NUMBERS)
        case _:
            holder[key] = hostile(r)
