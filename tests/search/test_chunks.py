"""Texts in chunks, and their tokens."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from openedai.search.chunks import PART_TOKENS, divide, parts_of
from openedai.search.words import count_tokens, indexed, query_words

SENTENCES = [f"This is the sentence number {number}, which ends here." for number in range(300)]
PROSE = " ".join(SENTENCES)


def sizes(text: str, spans: list[tuple[int, int]]) -> list[int]:
    return [count_tokens(text[start:end]) for start, end in spans]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("  \n\t", 0),
        ("a cat", 2),
        ("extraordinary", 3),
        ("don't", 3),
        ("снег", 2),
        ("日本語", 3),
        ("hi, 日本!", 5),
        ("x" * 96, 16),
    ],
)
def test_tokens(text: str, tokens: int) -> None:
    assert count_tokens(text) == tokens


@pytest.mark.parametrize(("size", "overlap"), [(100, 50), (100, 0), (800, 400), (4096, 10)])
def test_every_word_is_in_a_chunk_of_the_size(size: int, overlap: int) -> None:
    spans = divide(PROSE, size, overlap)
    assert max(sizes(PROSE, spans)) <= size
    assert spans[0][0] == 0
    assert spans[-1][1] == len(PROSE)
    for (start, end), (following, _) in pairwise(spans):
        assert start < following
        assert PROSE[end:following].strip() == ""
        assert count_tokens(PROSE[following:end]) <= overlap


def test_chunks_are_whole_sentences() -> None:
    for start, end in divide(PROSE, 200, 60):
        assert PROSE[start:end].startswith("This is")
        assert PROSE[start:end].endswith("here.")


def test_paragraphs_come_before_sentences_and_lines_last() -> None:
    text = "\n\n".join(" ".join(SENTENCES[at : at + 6]) for at in range(0, 60, 6))
    tokens = count_tokens(" ".join(SENTENCES[:6]))
    spans = divide(text, tokens + 20, 0)
    assert [text[start:end] for start, end in spans] == text.split("\n\n")
    lines = "\n".join(f"row {number} of a table" for number in range(100))
    for start, end in divide(lines, 100, 0):
        assert lines[start:end].startswith("row")
        assert lines[start:end].endswith("table")


def test_unspaced_scripts_end_with_their_sentences() -> None:
    text = "今天天气很好。我们去公园散步吧。" * 40
    for start, end in divide(text, 100, 0):
        assert text[start:end].endswith("。")


def test_random_texts() -> None:
    r = random.Random(5)
    letters = "ab .\n!日本é\u0301🙂\u200b-_'\"0123"
    for _ in range(300):
        text = "".join(r.choice(letters) for _ in range(r.randrange(400)))
        size = r.randrange(3, 60)
        overlap = r.randrange(0, size // 2 + 1)
        spans = divide(text, size, overlap)
        covered = {at for start, end in spans for at in range(start, end)}
        seen = {at for at, letter in enumerate(text) if letter.isalnum()}
        assert seen <= covered
        assert all(one < two for one, two in pairwise(spans))


def test_long_chunks_are_embedded_in_parts() -> None:
    spans = divide(PROSE, 800, 400)
    texts, owners = parts_of(PROSE, spans)
    assert max(map(count_tokens, texts)) <= PART_TOKENS
    assert owners == sorted(owners)
    assert set(owners) == set(range(len(spans)))
    for index, (start, end) in enumerate(spans):
        parts = [text for text, owner in zip(texts, owners, strict=True) if owner == index]
        assert " ".join(parts).split() == PROSE[start:end].split()


def test_words_of_unspaced_scripts_are_pairs() -> None:
    assert indexed("ab 東京都 cd").split() == ["ab", "東京", "京都", "cd"]
    assert query_words("東京都 Tokyo") == ['"東京"', '"京都"', '"tokyo"']
    assert query_words("東") == ['"東" *']
    assert query_words('a "b" OR NEAR(c) *') == ['"a"', '"b"', '"or"', '"near"', '"c"']
