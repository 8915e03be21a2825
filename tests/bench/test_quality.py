"""Perplexities: the arithmetic, and the scores of a real model against what it generates itself."""

from __future__ import annotations

import asyncio
from math import exp, log

import pytest

from bench.quality import Score, logprobs, table
from bench.scoring import TEXT, UNSCORED, WINDOW
from openedai.catalog.catalog import Catalog
from openedai.catalog.defaults import CHAT
from openedai.config import Settings
from openedai.weights.library import Library


def test_perplexity() -> None:
    assert Score("m", 1, [log(1 / 8)] * 5).perplexity == pytest.approx(8)
    assert Score("m", 1, [log(1 / 2), log(1 / 8)]).perplexity == pytest.approx(4)


def test_loss_against_the_packaged_weights() -> None:
    packaged = Score("a", 1, [-1.0, -2.0, -3.0])
    worse = Score("b", 1, [-1.1, -2.1, -3.1])
    loss, error = worse.loss(packaged)
    assert loss == pytest.approx(exp(0.1) - 1)
    assert error == pytest.approx(0, abs=1e-9)
    assert worse.loss(worse) == (0, 0)
    assert Score("c", 1, [-1.0, -2.3, -3.0]).loss(packaged)[1] > 0.05


def test_the_table_compares_with_the_first() -> None:
    shown = table([Score("a", 1, [-1.0, -2.0]), Score("b", 1, [-1.1, -2.1])])
    assert list(shown.columns[3].cells) == ["-", "+10.52% ± 0.00%"]


def test_the_text_is_plain() -> None:
    """A token that ends within a character has no probability of its own."""
    text = TEXT.read_text("ascii")
    assert len(text.split()) > 3000


@pytest.mark.real
def test_a_longer_text_changes_no_token_before_it() -> None:
    settings = Settings(_env_file=None)
    model = Catalog(settings).default(CHAT)
    assert model is not None
    weights = Library(settings).pull(model.spec)
    assert weights is not None
    words = "The harbour master kept two books, and nobody had seen the second one. " * 3
    short, long = (asyncio.run(logprobs(weights, text)) for text in (words, words + "Nobody."))
    assert 5 < len(short) < len(long) < WINDOW - UNSCORED
    assert max(long) <= 0
    assert min(long) < -0.01
    assert long[: len(short) - 1] == pytest.approx(short[:-1], abs=0.2)
