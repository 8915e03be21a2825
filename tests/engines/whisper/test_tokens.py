"""Tokens of a window as timed segments, and as bytes."""

from __future__ import annotations

from openedai.engines.whisper.tokens import ByteTable, TimedTokens, goes_on, split_by_time

END = 100
FIRST = 110


def at(seconds: float) -> int:
    """The token of a time."""
    return FIRST + round(seconds / 0.02)


def split(*tokens: int) -> list[TimedTokens]:
    return split_by_time(tokens, FIRST, END)


def test_segments_between_times() -> None:
    first, second = split(at(0), 1, 2, at(1.5), at(2), 3, at(4))
    assert (first.start, first.end, second.start, second.end) == (0, 1.5, 2, 4)
    assert first.tokens == [at(0), 1, 2, at(1.5)]
    assert (first.positions, second.positions) == ([1, 2], [5])


def test_a_segment_without_an_end() -> None:
    first, second = split(at(0), 1, at(1), at(1), 2)
    assert (first.end, second.start, second.end) == (1, 1, None)


def test_a_time_may_end_one_segment_and_begin_the_next() -> None:
    first, second = split(at(0), 1, at(1), 2, at(2))
    assert (first.end, second.start, second.end) == (1, 1, 2)


def test_tokens_without_times() -> None:
    (only,) = split(1, 2)
    assert (only.start, only.end, only.tokens) == (0, None, [1, 2])


def test_no_text() -> None:
    assert split() == split(at(0)) == split(at(0), at(3)) == []


def test_special_tokens_are_no_text() -> None:
    (only,) = split(at(0), 1, END, END + 3, at(1))
    assert only.positions == [1]


def test_whether_speech_goes_on_after_the_last_time() -> None:
    assert not goes_on([at(0), 1, at(3)], FIRST)
    assert not goes_on([at(0), 1, at(3), at(3), 2, at(5)], FIRST)
    assert goes_on([at(0), 1, at(3), at(3)], FIRST)
    assert goes_on([at(0), 1, at(3), at(3), 2], FIRST)
    assert goes_on([at(0), 1], FIRST)
    assert goes_on([], FIRST)


def test_bytes_of_tokens() -> None:
    table = ByteTable()
    assert table.bytes_of("Ġgood") == b" good"
    assert table.bytes_of("Ã©") == "é".encode()
    assert table.bytes_of("ðŁ") == "😀".encode()[:2]
    every = "".join(sorted(table._bytes))
    assert sorted(table.bytes_of(every)) == list(range(256))
