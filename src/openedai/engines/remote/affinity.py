"""Remembers the prompt prefixes that each replica was sent, so that cached computations are
used.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator

import msgspec

from openedai.contract.chat import Chat
from openedai.contract.generate import GenerateRequest, Text, Tokens

_BLOCK = 1024  # characters or bytes of token ids
_MAX_PREFIXES = 64  # of a prompt that are remembered, from its start and from its end
_REMEMBERED = 16384

Prefix = bytes


def prefixes(request: GenerateRequest, model: str) -> tuple[Prefix, ...]:
    """A digest of each prefix of the prompt, the shortest first. A prefix ends after a message of a
    conversation, or after a block of a text.
    """
    digest = hashlib.blake2b(model.encode(), digest_size=12)
    found = []
    for part in _parts(request.prompt):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
        found.append(digest.digest())
    return tuple(
        found if len(found) <= 2 * _MAX_PREFIXES else found[:_MAX_PREFIXES] + found[-_MAX_PREFIXES:]
    )


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
    """The text in blocks. Texts that begin alike share their first blocks."""
    for start in range(0, len(data), _BLOCK):
        yield data[start : start + _BLOCK]


class PrefixMemory:
    """Which replica, by its number, each prefix was last sent to; the oldest are forgotten."""

    def __init__(self, size: int = _REMEMBERED) -> None:
        self._size = size
        self._replicas: OrderedDict[Prefix, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._replicas)

    def find(self, prefixes: Iterable[Prefix]) -> Iterator[int]:
        """The replicas of the known prefixes, in the order of `prefixes`."""
        for prefix in prefixes:
            replica = self._replicas.get(prefix)
            if replica is not None:
                yield replica

    def remember(self, prefixes: Iterable[Prefix], replica: int) -> None:
        """Remember that the prefixes were sent to the replica with this number."""
        for prefix in prefixes:
            self._replicas[prefix] = replica
            self._replicas.move_to_end(prefix)
        while len(self._replicas) > self._size:
            self._replicas.popitem(last=False)
