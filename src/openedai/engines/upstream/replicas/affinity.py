"""Which beginnings of prompts were sent where, so that what a replica has computed is used."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator

import msgspec

from openedai.contract.chat import Chat
from openedai.contract.generate import GenerateRequest, Text, Tokens

_BLOCK = 1024  # characters or bytes of token ids
_MOST = 64  # beginnings that are remembered of a prompt, from its start and from its end
_REMEMBERED = 16384

Prefix = bytes


def prefixes(request: GenerateRequest, model: str) -> tuple[Prefix, ...]:
    """A name for each beginning of the prompt, the shortest first: up to each message of a
    conversation, or each block of a text.
    """
    digest = hashlib.blake2b(model.encode(), digest_size=12)
    found = []
    for part in _parts(request.prompt):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
        found.append(digest.digest())
    return tuple(found if len(found) <= 2 * _MOST else found[:_MOST] + found[-_MOST:])


def _parts(prompt: Chat | Text | Tokens) -> Iterator[bytes]:
    match prompt:
        case Chat(messages=messages, tools=tools):
            head = msgspec.msgpack.encode(tools)
            for message in messages:
                yield head + msgspec.msgpack.encode(message)
                head = b""
        case Text(text=text):
            yield from _blocks(text.encode("utf-8", "replace"))
        case Tokens(ids=ids):
            yield from _blocks(b" ".join(str(id).encode() for id in ids))


def _blocks(data: bytes) -> Iterator[bytes]:
    """Whole blocks, and the end; a shorter text that goes on elsewhere shares the whole ones."""
    for start in range(0, len(data), _BLOCK):
        yield data[start : start + _BLOCK]


class Memory:
    """Where beginnings were sent last; the oldest are forgotten."""

    def __init__(self, size: int = _REMEMBERED) -> None:
        self._size = size
        self._places: OrderedDict[Prefix, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._places)

    def find(self, wanted: Iterable[Prefix]) -> Iterator[int]:
        """The places of the beginnings that are known, in the order of `wanted`."""
        for prefix in wanted:
            place = self._places.get(prefix)
            if place is not None:
                yield place

    def note(self, sent: Iterable[Prefix], place: int) -> None:
        for prefix in sent:
            self._places[prefix] = place
            self._places.move_to_end(prefix)
        while len(self._places) > self._size:
            self._places.popitem(last=False)
