"""The hyperparameters of a job, and the values of those that are left to `auto`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from openedai.contract.struct import Struct
from openedai.training.lines import Method

LEARNING_RATES = {"supervised": 1e-3, "dpo": 5e-4}
_FEW, _MANY = 33, 8_334  # examples
_EPOCHS = 3


class Hyperparameters(Struct, frozen=True):
    """The hyperparameters as a client gives them; None is `auto`."""

    n_epochs: Annotated[int, Meta(ge=1, le=50)] | None = None
    batch_size: Annotated[int, Meta(ge=1, le=256)] | None = None
    learning_rate_multiplier: Annotated[float, Meta(gt=0, le=100)] | None = None
    beta: Annotated[float, Meta(gt=0, le=2)] | None = None


class Resolved(Struct, frozen=True):
    """The hyperparameters, each with a value. `beta` is used for preferences only."""

    n_epochs: int
    batch_size: int
    learning_rate_multiplier: float
    beta: float

    def learning_rate(self, method: Method) -> float:
        return self.learning_rate_multiplier * LEARNING_RATES[method]


def resolve(given: Hyperparameters, examples: int) -> Resolved:
    """The values for a file with this many examples."""
    return Resolved(
        n_epochs=given.n_epochs or _auto_epochs(examples),
        batch_size=given.batch_size or min(32, max(4, examples // 500)),
        learning_rate_multiplier=given.learning_rate_multiplier or 1.0,
        beta=given.beta or 0.1,
    )


def _auto_epochs(examples: int) -> int:
    if examples < _FEW:
        return min(25, 100 // max(1, examples))
    if examples < _MANY:
        return _EPOCHS
    return max(1, 25_000 // examples)
