"""The labelled texts: how many there are, and what must not be among them."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest
from moderation.styles import STYLES, between, restyled
from moderation.texts import LabelledText, labels_of, read_texts, without_near

from openedai.contract.moderate import CATEGORIES

MINORS = re.compile(r"\b(child|children|kid|minor|teen\w*|underage|girl|boy|school\w*)\b", re.I)


@pytest.fixture(scope="module")
def train() -> list[LabelledText]:
    return without_near(read_texts("train"), read_texts("held_out"))


def test_there_are_enough(train: list[LabelledText]) -> None:
    assert len(train) >= 6000
    counts = Counter(name for item in train for name in CATEGORIES if item.labels[name])
    assert min(counts[name] for name in CATEGORIES) >= 50
    assert sum(not item.flagged for item in train) >= 2500


def test_they_are_always_the_same() -> None:
    assert read_texts("train") == read_texts("train")


def test_no_template_is_left_unfilled(train: list[LabelledText]) -> None:
    assert [item.text for item in train if re.search(r"\$\w+:|\{\w+\}", item.text)] == []


def test_texts_about_sex_name_no_minors(train: list[LabelledText]) -> None:
    texts = [*train, *read_texts("held_out")]
    sexual = [one for one in texts if one.labels["sexual"] and not one.labels["sexual/minors"]]
    assert [one.text for one in sexual if MINORS.search(one.text)] == []


def test_held_out_texts_are_not_trained_on(train: list[LabelledText]) -> None:
    assert not {item.text for item in train} & {item.text for item in read_texts("held_out")}


def test_labels_imply_others() -> None:
    labels = labels_of("hate/threatening ?sexual")
    assert labels["hate"]
    assert labels["violence"]
    assert labels["harassment"] is None
    assert labels["sexual"] is None
    assert labels["self-harm"] is False
    assert not any(labels_of("none").values())


def test_near_texts_are_left_out() -> None:
    texts = [
        LabelledText(text, labels_of("none"), "s", text)
        for text in ("a red fox runs home", "the weather is fine today")
    ]
    near = [LabelledText("a red fox runs away", labels_of("none"), "s", "g")]
    assert [one.text for one in without_near(texts, near)] == ["the weather is fine today"]


def test_styles_keep_the_labels() -> None:
    texts = [
        LabelledText(f"Somebody wrote text {number}", labels_of("hate"), "s", "g")
        for number in range(2 * len(STYLES))
    ]
    changed = list(restyled(texts, every=2))
    assert len(changed) == len(STYLES)
    assert all(one.labels["hate"] for one in changed)
    assert {one.source for one in changed} == {f"s+{style.__name__}" for style in STYLES}


def test_a_text_between_others() -> None:
    found = [between("middle", ["a", "b", "c", "d"], random.Random(seed)) for seed in range(40)]
    parts = [one.split() for one in found]
    assert all(one.count("middle") == 1 and 2 <= len(one) <= 4 for one in parts)
    assert {one.index("middle") for one in parts} == {0, 1, 2}
    assert all(len(set(one)) == len(one) for one in parts)
