"""Figures that were worked out by hand, and what every metric must have."""

from __future__ import annotations

import pytest

from openedai.serving.grading.similarity import MAX_LENGTH, METRICS

TEXT, REFERENCE = "The cat sat", "the cat ran fast"


@pytest.mark.parametrize(
    ("metric", "text", "reference", "score"),
    [
        ("fuzzy_match", "kitten", "sitting", 8 / 13),
        ("rouge_1", TEXT, REFERENCE, 4 / 7),
        ("rouge_2", TEXT, REFERENCE, 2 / 5),
        ("rouge_3", TEXT, REFERENCE, 0),
        ("rouge_l", "a b c d", "b a c d", 6 / 8),
        ("bleu", TEXT.lower(), REFERENCE, 0.434008),
        ("bleu", "one two", "three four", 0),
        ("gleu", TEXT.lower(), REFERENCE, 3 / 10),
        ("meteor", TEXT, REFERENCE, 0.480769),
        ("meteor", "b a", "a b", 0.5),
    ],
)
def test_scores(metric: str, text: str, reference: str, score: float) -> None:
    assert METRICS[metric](text, reference) == pytest.approx(score, abs=1e-6)


@pytest.mark.parametrize("metric", METRICS)
def test_what_is_equal_is_most_similar(metric: str) -> None:
    score = METRICS[metric]
    same = "one two three four five six, seven"
    assert score(same, same) == pytest.approx(1, abs=0.002)  # METEOR counts one run
    assert score("", "") == 1
    assert score("", same) == score(same, "") == 0
    assert score("\u00e4\u00f6\u00fc", same) < 0.2


@pytest.mark.parametrize("metric", METRICS)
def test_repeated_words_count_once(metric: str) -> None:
    assert METRICS[metric]("the the the the", "the cat is on the mat") < 0.65


def test_long_texts() -> None:
    """The table has as many bits as one text has characters: it may not be one of lists."""
    text = "ab" * (MAX_LENGTH // 20)
    assert METRICS["fuzzy_match"](text, text[1:]) > 0.99
