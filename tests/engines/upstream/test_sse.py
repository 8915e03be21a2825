"""Server-sent events in chunks of any size, in every way of writing them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.engines.upstream.answers.sse import EventParser, EventTooLong, is_done

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=20)


def split(data: bytes, sizes: list[int]) -> list[bytes]:
    chunks = []
    for size in sizes:
        chunks.append(data[:size])
        data = data[size:]
    return [*chunks, data]


@given(
    events=st.lists(st.lists(TEXT, min_size=1, max_size=3), max_size=5),
    end=st.sampled_from(["\n", "\r\n"]),
    space=st.sampled_from(["", " "]),
    noise=st.sampled_from(["", ": ping", "event: x", "id: 7", "retry: 3"]),
    sizes=st.lists(st.integers(0, 40)),
    finished=st.booleans(),
)
def test_events_survive_any_splitting(
    events: list[list[str]], end: str, space: str, noise: str, sizes: list[int], finished: bool
) -> None:
    written = ""
    for lines in events:
        written += noise + end if noise else ""
        # A space after the colon keeps one that the text begins with.
        written += "".join(
            f"data:{space or (' ' if line.startswith(' ') else '')}{line}{end}" for line in lines
        )
        written += end
    if not finished:
        written = written.rstrip("\r\n")
    parser = EventParser()
    found = [event for chunk in split(written.encode(), sizes) for event in parser.feed(chunk)]
    found += parser.end()
    assert found == ["\n".join(lines).encode() for lines in events]


def test_an_event_is_given_as_soon_as_it_is_complete() -> None:
    parser = EventParser()
    assert parser.feed(b"data: 1\n") == []
    assert parser.feed(b"\ndata: 2\n\ndata") == [b"1", b"2"]
    assert parser.feed(b": 3\r\n\r") == []
    assert parser.feed(b"\n") == [b"3"]


def test_lines_without_events_are_counted() -> None:
    parser = EventParser()
    assert parser.feed(b": ping\n\n: pi") == []
    assert parser.lines == 2


@pytest.mark.parametrize("line", [b"data: " + b"x" * 100, b"data: x\n" * 100])
def test_an_event_without_an_end_is_too_long(line: bytes) -> None:
    with pytest.raises(EventTooLong):
        EventParser(limit=64).feed(line)


def test_the_limit_is_for_each_event() -> None:
    parser = EventParser(limit=64)
    for _ in range(100):
        assert parser.feed(b"data: 0123456789\n\n") == [b"0123456789"]


def test_done() -> None:
    assert is_done(b"[DONE]")
    assert is_done(b" [DONE] ")
    assert not is_done(b'"[DONE]"')
