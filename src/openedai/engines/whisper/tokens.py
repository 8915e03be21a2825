"""Reads the tokens of a window as segments with times, and as bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

SECONDS_PER_TIMESTAMP = 0.02


@dataclass
class TimedTokens:
    """The tokens of a segment, with the timestamps around them. `end` None if it has none.

    `positions` are the positions of its text tokens in the window. Times are in seconds from the
    start of the window.
    """

    start: float
    end: float | None = None
    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)


def split_by_time(
    tokens: Sequence[int], first_timestamp: int, end_of_text: int
) -> list[TimedTokens]:
    """The segments that the timestamps mark. Only the last one can be without an end."""
    segments: list[TimedTokens] = []
    current = TimedTokens(0.0)
    for position, token in enumerate(tokens):
        if token >= first_timestamp:
            time = (token - first_timestamp) * SECONDS_PER_TIMESTAMP
            if current.positions:
                current.tokens.append(token)
                current.end = time
                segments.append(current)
                current = TimedTokens(time)
            else:
                current = TimedTokens(time, tokens=[token])
        elif token < end_of_text:
            current.tokens.append(token)
            current.positions.append(position)
    return [*segments, current] if current.positions else segments


def goes_on(tokens: Sequence[int], first_timestamp: int) -> bool:
    """Whether there is speech after the last timestamp: a single timestamp after a text ends all of
    it.
    """
    last = [token >= first_timestamp for token in tokens[-2:]]
    return last != [False, True]


class ByteTable:
    """The bytes of the tokens of a byte-level vocabulary, which writes each as a character."""

    def __init__(self) -> None:
        # Printable characters stand for themselves, the other bytes for the characters from 256 on.
        plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
        others = sorted(set(range(256)) - set(plain))
        self._bytes = {chr(byte): byte for byte in plain}
        self._bytes |= {chr(256 + number): byte for number, byte in enumerate(others)}

    def bytes_of(self, token: str) -> bytes:
        return bytes(self._bytes[character] for character in token)
