"""What is left to `auto`."""

from __future__ import annotations

import pytest

from openedai.training.hyperparameters import Hyperparameters, resolve


@pytest.mark.parametrize(
    ("examples", "epochs", "batch"),
    [
        (1, 25, 4),
        (10, 10, 4),
        (32, 3, 4),
        (5000, 3, 10),
        (12_500, 2, 25),
        (50_000, 1, 32),
    ],
)
def test_auto(examples: int, epochs: int, batch: int) -> None:
    found = resolve(Hyperparameters(), examples)
    assert (found.n_epochs, found.batch_size) == (epochs, batch)
    assert found.learning_rate("supervised") == 1e-3
    assert found.learning_rate("dpo") == 5e-4


def test_given() -> None:
    given = Hyperparameters(n_epochs=2, batch_size=7, learning_rate_multiplier=0.5, beta=0.3)
    found = resolve(given, 100)
    assert (found.n_epochs, found.batch_size, found.beta) == (2, 7, 0.3)
    assert found.learning_rate("supervised") == 5e-4
