"""Decisions: questions about an input, answered by the probabilities of given labels."""

from __future__ import annotations

from openedai.contract.generate import Usage
from openedai.contract.struct import Struct


class Question(Struct, frozen=True):
    """`text` is what the model reads after the input; one of the `labels` is its whole answer.

    The labels are different texts, and none is empty.
    """

    text: str
    labels: tuple[str, ...]


class DecideRequest(Struct, frozen=True):
    """Questions about one `input`: each is put as one message, the input and then its text. With a
    `variable` the text is the value of that variable of the chat template instead.

    `variant` selects one of the engine's models, as in a `GenerateRequest`.
    """

    input: str
    questions: tuple[Question, ...]
    variable: str | None = None
    variant: str | None = None


class DecideResult(Struct, frozen=True, tag="decide_result"):
    """For each question the natural log probabilities of its labels, in their order.

    They are those of the model itself, before any sampler, that its answer begins with the label,
    and not with a longer one of the labels: so together they are at most 1. The usage counts the
    whole prompt of each question.
    """

    logprobs: tuple[tuple[float, ...], ...]
    usage: Usage
