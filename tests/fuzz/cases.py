"""The requests, each made from the seed and its number: structured ones, and bytes."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tests.fuzz.parts import ASSISTANT, CHAT, CONVERSATION, RESPONSE, THREAD, VECTOR_STORE
from tests.fuzz.targets import KEY, Target
from tests.fuzz.values import hostile, mutated

_PARAMETER = re.compile(r"\{\w+(?::\w+)?\}")
# Ids of what is stored, by how the path before them ends.
_STORED = {
    "/responses/": RESPONSE,
    "/conversations/": CONVERSATION,
    "/vector_stores/": VECTOR_STORE,
    "/assistants/": ASSISTANT,
    "/threads/": THREAD,
    "/v1/chat/completions/": CHAT,
    "/items/": "msg_1",
}
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "QUERY")
_TYPES = (
    *("text/plain", "application/x-www-form-urlencoded", "", "application/JSON; charset=utf-16"),
    *("multipart/form-data", "multipart/form-data; boundary=", "application/vnd.api+json", ";"),
)
_HEADERS = (
    *(
        b"origin: http://[bad",
        b"origin: null",
        b"origin: https://page.example",
        b"range: bytes=0-1",
    ),
    *(
        b"host: evil.example",
        b"host: a/b?c#d",
        b"authorization: Bearer",
        b"authorization: \xff\xfe",
    ),
    *(b"anthropic-version: 2023-06-01", b"anthropic-beta: x,y", b"expect: 100-continue"),
    *(b"accept-encoding: gzip", b"access-control-request-method: POST", b"x-y: " + b"z" * 3000),
    *(b"access-control-request-private-network: true", b"cookie: a=b", b"content-encoding: gzip"),
    *(b"connection: Upgrade\r\nupgrade: h2c", b"connection: Upgrade\r\nupgrade: websocket"),
    *(b"if-range: x\r\nrange: bytes=9-,0-", b"openai-beta: assistants=v1", b"transfer-encoding: x"),
)
_PATHS = (
    "/%00",
    "/..",
    "//",
    "/%ff",
    "?a=b",
    "/x" * 50,
    ";",
    "/%2e%2e/",
    "?limit=-1&after=%00",
    "/",
    "?stream=true&starting_after=99999999999999999999",
    "?stream=1&starting_after=-1&include[]=x",
    "?limit=1&order=asc&after=msg_1&include[]=message.input_image.image_url",
    "?metadata[a]=b&model=%00&metadata[%00]=%ff",
)


@dataclass(frozen=True)
class Case:
    """`parts` are sent one after another. `path` is None if the bytes say something else perhaps.

    With `leaves` the client goes away without the answer.
    """

    parts: Sequence[bytes]
    method: str = ""
    path: str | None = None
    anthropic: bool = False
    leaves: bool = False


class Cases:
    def __init__(self, seed: int, targets: Sequence[Target], models: Sequence[str]) -> None:
        self._seed = seed
        self._targets = targets
        self._models = models

    def case(self, number: int) -> Case:
        r = random.Random(f"{self._seed}/{number}")
        request = _Request(r, r.choice(self._targets), self._models)
        kind = r.random()
        if kind < 0.7:
            request.change_values(r.choice((0, 1, 1, 2, 4)))
        elif kind < 0.8:
            request.change_head()
        elif kind < 0.88:
            request.change_body()
        elif kind < 0.93:
            request.change_values(r.choice((0, 1)))
            return request.in_chunks()
        elif kind < 0.97:
            return request.with_changed_bytes()
        return request.case(leaves=r.random() < 0.03)


class _Request:
    def __init__(self, r: random.Random, target: Target, models: Sequence[str]) -> None:
        self._r = r
        self._target = target
        self._models = models
        self._method = target.method
        self._path = _PARAMETER.sub(self._parameter, target.path)
        self._version = b"1.1"
        self._extra: list[bytes] = []
        self._media_type = ""
        self._body = b""
        self.change_values(0)

    def change_values(self, times: int) -> None:
        target, r = self._target, self._r
        if not target.bodies:
            return
        values: Any = {**r.choice(target.bodies)}
        if r.random() < 0.97:
            values["model"] = self._model()
        is_form = target.accepts_form and (not target.accepts_json or _has_file(values))
        if is_form:
            self._media_type = "multipart/form-data; boundary=XX"
            changed = {**values}
            for name in r.sample(sorted(changed), min(times, len(changed))):
                changed[name] = r.choice(("", "x", "1", "é", b"", b"\x89PNG", [], {"a": "b"}))
            self._body = _form(changed)
        else:
            self._media_type = "application/json"
            self._body = json.dumps(mutated(r, values, times) if times else values).encode()

    def change_head(self) -> None:
        r = self._r
        changes: list[Callable[[], None]] = [
            lambda: setattr(self, "_method", r.choice(_METHODS)),
            lambda: setattr(self, "_path", self._path + r.choice(_PATHS)),
            lambda: setattr(self, "_path", self._path[: r.randint(1, len(self._path))]),
            lambda: setattr(self, "_path", "/" + quote(str(hostile(r))[:2000])),
            lambda: setattr(self, "_media_type", r.choice(_TYPES)),
            lambda: setattr(self, "_version", r.choice((b"1.0", b"1.0", b"0.9", b"2.0"))),
            lambda: self._extra.append(r.choice(_HEADERS)),
            lambda: self._extra.append(r.choice(_HEADERS)),
        ]
        for change in r.sample(changes, r.choice((1, 1, 2, 3))):
            change()

    def change_body(self) -> None:
        self._body = _changed_bytes(self._r, self._body, self._r.choice((1, 3, 30)))

    def case(self, *, leaves: bool = False) -> Case:
        raw = self._head(b"content-length: %d" % len(self._body)) + self._body
        return self._case([raw], leaves=leaves)

    def in_chunks(self) -> Case:
        """The body in chunks, with odd extensions and trailers, and several writes.

        Where no body is read, the answer and the end of the connection would come before it.
        """
        r, body = self._r, self._body
        if not self._target.bodies:
            return self.case()
        parts = [self._head(b"transfer-encoding: chunked")]
        while body:
            size = r.choice((1, 7, 100, 10_000))
            chunk, body = body[:size], body[size:]
            extension = r.choice((b"", b"", b";a=b", b";" + b"x" * 50))
            parts.append(b"%x%s\r\n%s\r\n" % (len(chunk), extension, chunk))
            if len(parts) > 300:
                parts.append(b"%x\r\n%s\r\n" % (len(body), body) if body else b"")
                break
        parts.append(b"0\r\n" + r.choice((b"", b"x: y\r\n", b"host: evil\r\n" * 20)) + b"\r\n")
        return self._case(parts)

    def with_changed_bytes(self) -> Case:
        raw = self._head(b"content-length: %d" % len(self._body)) + self._body
        return Case([_changed_bytes(self._r, raw, self._r.choice((1, 2, 5)))])

    def _case(self, parts: list[bytes], *, leaves: bool = False) -> Case:
        head = b"".join(self._extra)
        unsure = b"upgrade" in head or b"transfer-encoding" in head or self._version == b"2.0"
        return Case(
            parts,
            self._method,
            None if unsure else self._path,
            anthropic=b"anthropic-version" in head,
            leaves=leaves,
        )

    def _head(self, *lines: bytes) -> bytes:
        path = quote(self._path, safe="/?=&%;:.")
        start = b"%s %s HTTP/%s" % (self._method.encode(), path.encode(), self._version)
        names = {line.partition(b":")[0] for line in self._extra}
        own = [b"host: localhost", b"connection: close", b"content-type: " + self._type()]
        own += [b"openai-beta: assistants=v2", b"authorization: Bearer " + KEY.encode()]
        kept = [line for line in own if line.partition(b":")[0] not in names]
        return b"\r\n".join([start, *kept, *self._extra, *lines, b"", b""])

    def _type(self) -> bytes:
        return self._media_type.encode()

    def _parameter(self, found: re.Match[str]) -> str:
        """What is in the path: the id of something that is stored, or of a model."""
        before = found.string[: found.start()]
        if self._r.random() < 0.9:
            for end, id in _STORED.items():
                if before.endswith(end):
                    return id
        return quote(self._model())

    def _model(self) -> str:
        if self._r.random() < 0.04:
            return self._r.choice(("none", "", "gpt-4o", "../x", "a" * 300, "echo\0", "é"))
        return self._r.choice(self._models)


def _has_file(values: dict[str, Any]) -> bool:
    return any(isinstance(one, bytes) for value in values.values() for one in _listed(value))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _form(values: dict[str, Any]) -> bytes:
    parts = []
    for name, value in values.items():
        if isinstance(value, dict):
            parts += [_part(f"{name}[{key}]", one) for key, one in value.items()]
        elif isinstance(value, list):
            parts += [_part(f"{name}[]", one) for one in value]
        else:
            parts.append(_part(name, value))
    return b"".join(parts) + b"--XX--\r\n"


def _part(name: str, value: Any) -> bytes:
    file = '; filename="f.bin"' if isinstance(value, bytes) else ""
    head = f'--XX\r\ncontent-disposition: form-data; name="{name}"{file}\r\n\r\n'
    return head.encode() + (value if isinstance(value, bytes) else str(value).encode()) + b"\r\n"


def _changed_bytes(r: random.Random, raw: bytes, times: int) -> bytes:
    changed = bytearray(raw)
    for _ in range(times):
        at = r.randint(0, len(changed))
        match r.randrange(4):
            case 0:
                changed[at:at] = r.randbytes(r.choice((1, 2, 20)))
            case 1:
                del changed[at : at + r.choice((1, 1, 5, 100))]
            case 2:
                changed[at : at + 1] = bytes([r.choice(b'\x00\r\n\t :/?#%{}[]",0\xff')])
            case _:
                start = r.randint(0, len(changed))
                changed[at:at] = changed[start : start + r.choice((1, 10, 200))]
    return bytes(changed)
