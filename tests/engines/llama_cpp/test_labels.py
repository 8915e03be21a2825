"""The tree of labels: what is computed, and the probability of each."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.engines.llama_cpp.labels import LabelTree

TOKENS = range(4)
LABELS = st.lists(st.lists(st.sampled_from(TOKENS), min_size=1, max_size=4), min_size=1, max_size=8)


def chance(path: tuple[int, ...], token: int) -> float:
    """Of a token after others, in a made-up model."""
    weights = [1 + (7 * sum(path) + 3 * len(path) + other) % 5 for other in TOKENS]
    return weights[token] / sum(weights)


def computed(tree: LabelTree) -> list[tuple[int, ...]]:
    """Fill a tree as the loop does: what precedes a path is computed with it."""
    tree.read((), lambda token: math.log(chance((), token)))
    paths = []
    while (path := tree.next_path()) is not None:
        paths.append(path)
        for end in range(1, len(path) + 1):
            before = path[:end]
            tree.read(before, lambda token, before=before: math.log(chance(before, token)))  # type: ignore[misc]
    return paths


def exact(label: tuple[int, ...], labels: set[tuple[int, ...]]) -> float:
    """The probability of all continuations of four tokens whose longest label it is."""
    total = 0.0
    stack: list[tuple[tuple[int, ...], float]] = [((), 1.0)]
    while stack:
        path, probability = stack.pop()
        if len(path) == 4:
            held = [one for one in labels if path[: len(one)] == one]
            total += probability if held and max(held, key=len) == label else 0.0
        else:
            stack += [((*path, token), probability * chance(path, token)) for token in TOKENS]
    return total


@given(LABELS)
def test_each_label_has_the_probability_of_what_begins_with_it_and_no_longer_one(
    labels: list[list[int]],
) -> None:
    unique = [*dict.fromkeys(map(tuple, labels))]
    tree = LabelTree(unique)
    computed(tree)
    for label, logprob in zip(unique, tree.logprobs(), strict=True):
        assert math.exp(logprob) == pytest.approx(exact(label, set(unique)), abs=1e-9)


def test_labels_of_one_token_need_no_more_than_the_prompt() -> None:
    assert computed(LabelTree([[0], [1], [2]])) == []


def test_what_labels_begin_with_is_computed_once() -> None:
    tree = LabelTree([[0, 1, 2], [0, 1, 3], [0, 2], [1, 1, 1, 1], [2]])
    assert computed(tree) == [(0, 1), (1, 1, 1)]
    assert tree.depth == 4
