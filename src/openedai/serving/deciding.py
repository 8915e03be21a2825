"""Decisions: turns a call's questions into the probabilities of their answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from openedai.contract.decide import DecideRequest
from openedai.contract.engine import Decider
from openedai.contract.generate import Usage
from openedai.prompts.decisions import shares
from openedai.serving.call import Call
from openedai.serving.leases import Leases
from openedai.serving.usage.kinds import DECISIONS

# Others can use the model beside a long list of questions.
_SLOTS = 2


@dataclass(frozen=True)
class Distribution:
    """The probabilities of the labels of one question; their sum is 1.

    `mass` is the probability that the model's answer is one of the labels at all.
    """

    probabilities: tuple[float, ...]
    mass: float

    @property
    def top(self) -> int:
        """The index of the likeliest label."""
        return self.probabilities.index(max(self.probabilities))

    @property
    def confidence(self) -> float:
        """From 0, if all labels are equally likely, to 1, if one is certain."""
        count = len(self.probabilities)
        if count == 1:
            return 1.0
        return _unit((max(self.probabilities) - 1 / count) / (1 - 1 / count))

    @property
    def level(self) -> float:
        """The expected index of the label."""
        return math.fsum(index * value for index, value in enumerate(self.probabilities))

    @property
    def level_confidence(self) -> float:
        """As `confidence`, for ordered labels: also high if only neighbouring labels are likely.

        It compares the mean distance from the likeliest label with that of equally likely labels
        from the middle one.
        """
        count, top = len(self.probabilities), self.top
        if count == 1:
            return 1.0
        distance = math.fsum(p * abs(at - top) for at, p in enumerate(self.probabilities))
        middle = (count - 1) / 2
        return _unit(1 - distance * count / math.fsum(abs(at - middle) for at in range(count)))


class Deciding:
    def __init__(self, leases: Leases) -> None:
        self._leases = leases

    async def run(
        self, call: Call[Any], request: DecideRequest
    ) -> tuple[list[Distribution], Usage]:
        """One distribution for each question. Raises as `Leases.lease` and the engine do."""
        slots = min(_SLOTS, len(request.questions))
        async with self._leases.lease(call, Decider, slots=slots, engine_request=request) as engine:
            use = call.use(DECISIONS)
            result = await engine.decide(replace(request, variant=call.model.variant))
            use.add(result.usage)
        return [distribution(logprobs) for logprobs in result.logprobs], result.usage


def distribution(logprobs: Sequence[float]) -> Distribution:
    """The distribution of labels with these log probabilities."""
    return Distribution(shares(logprobs), _unit(math.fsum(map(math.exp, logprobs))))


def _unit(value: float) -> float:
    return min(1.0, max(0.0, value))
