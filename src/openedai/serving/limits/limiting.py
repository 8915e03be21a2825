"""Limits of callers: each use of a model is counted before it begins, and corrected when it
ends.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from openedai.config.limits import LimitSettings
from openedai.http.rate_limits import RateLimit, RateLimits
from openedai.security.limits.counter import Charge
from openedai.security.limits.counts import Counts
from openedai.security.limits.memory import MemoryCounts
from openedai.security.limits.refused import refused
from openedai.security.limits.rules import Rules, Subject
from openedai.security.limits.scopes import Cost, Measure, Scope
from openedai.security.limits.shared import SharedCounts
from openedai.serving.call import Call
from openedai.serving.limits.costs import EngineRequest, cost_of
from openedai.store.limits import LimitRecords

_MOST_SUBJECTS = 10_000
# A request in the background looks again at least this often.
_SHORTEST_WAIT, _LONGEST_WAIT = 0.05, 2.0


@dataclass(eq=False)
class LimitedUse:
    """What a request uses of one model, in one lease or in several.

    `cost` is what the last lease is expected to use, `prompt_before` the tokens of prompts that
    were counted before it. `running` is the number of leases, and `served` whether there was one.
    """

    charge: Charge
    cost: Cost
    prompt_before: int = 0
    audio: int = 0
    running: int = 1
    served: bool = False


class Limiting:
    """`answer_tokens` is how many tokens an answer without a limit is expected to have."""

    @classmethod
    def of(
        cls,
        settings: LimitSettings,
        records: LimitRecords,
        clock: Callable[[], float] | None = None,
        *,
        shared: bool,
    ) -> Limiting:
        """With counters in a database that is `shared` by several servers, or else in memory.
        Counters in the database use its clock.
        """
        counts: Counts = SharedCounts(records) if shared else MemoryCounts(records, clock)
        return cls(Rules(settings), counts, settings.answer_tokens)

    def __init__(self, rules: Rules, counts: Counts, answer_tokens: int) -> None:
        self.rules = rules
        self.counts = counts
        self._answer_tokens = answer_tokens
        self._scopes: dict[Subject, tuple[Scope, ...]] = {}

    def forget_scopes(self) -> None:
        """Note that the rules have changed."""
        self._scopes.clear()

    def show(self, call: Call[Any]) -> None:
        """Have the answer report the limits of the call, as they stand when it begins."""
        if scopes := self._scopes_of(call):
            measures = {bound.measure for scope in scopes for bound in scope.bounds}
            call.exchange.rate_limits = RateLimits(
                frozenset(measures), partial(self._standing, scopes)
            )

    async def begin(self, call: Call[Any], engine_request: EngineRequest) -> LimitedUse | None:
        """Count a use of the call's model. None if nothing limits it.

        The first use of a request also counts the request. Later ones are not refused: an answer
        that has begun is continued. A request in the background waits for its limits. Raises
        RateLimited.
        """
        if not (scopes := self._scopes_of(call)):
            return None
        cost = cost_of(engine_request, self._answer_tokens)
        uses = call.exchange.charges
        use: LimitedUse | None = uses.get(call.model.id)
        if use is None:
            charge = await self._admitted(call, scopes, cost)
            use = uses.get(call.model.id)
            if use is None:
                use = uses[call.model.id] = LimitedUse(charge, cost)
                return use
            self._change(charge, {}, hold=-1)  # another part of the request was faster
        if not use.running:
            self._change(use.charge, use.charge.amounts, hold=1)
        use.running += 1
        use.cost, use.prompt_before = cost, _used(call)[0]
        return use

    def end(self, call: Call[Any], use: LimitedUse, *, leased: bool, left: bool) -> None:
        """Correct what was counted. `left` is an end before that of the work, because the client
        left; without `leased` it never began. It never awaits.
        """
        use.running -= 1
        use.served |= leased
        hold = 0 if use.running else -1
        if not use.served or (left and call.exchange.background is not None):
            # Nobody was served, or another client needed the model: the work will be done again.
            call.exchange.charges.pop(call.model.id, None)
            self._change(use.charge, {}, hold=hold)
            return
        prompt, answer, images = _used(call)
        if leased:
            use.audio += use.cost.audio
            if left and prompt == use.prompt_before:
                prompt += use.cost.prompt_tokens
            if left:
                images = min(images + 1, max(images, use.cost.images))
        amounts: dict[Measure, int] = {
            "requests": 1,
            "tokens": prompt + answer,
            "images": images,
            "audio": use.audio,
        }
        self._change(use.charge, amounts, hold=hold)

    async def _admitted(self, call: Call[Any], scopes: tuple[Scope, ...], cost: Cost) -> Charge:
        background = call.exchange.background is not None
        while True:
            result = await self.counts.admit(scopes, cost, background=background)
            if isinstance(result, Charge):
                return result
            if not background or result.reason != "rate":
                raise refused(call.model.id, result)
            await asyncio.sleep(min(max(result.wait / 1000, _SHORTEST_WAIT), _LONGEST_WAIT))

    def _change(self, charge: Charge, amounts: Mapping[Measure, int], *, hold: int) -> None:
        """Replace what is counted by these amounts."""
        measures = {bound.measure for scope in charge.scopes for bound in scope.bounds}
        differences = {
            measure: difference
            for measure in measures
            if (difference := amounts.get(measure, 0) - charge.amounts.get(measure, 0))
        }
        charge.amounts = dict(amounts)
        if differences or (hold and any(scope.at_once for scope in charge.scopes)):
            self.counts.change(charge, differences, hold=hold)

    def _scopes_of(self, call: Call[Any]) -> tuple[Scope, ...]:
        identity = call.exchange.identity
        if not self.rules.any and not identity.limits:
            return ()
        subject = Subject(
            *(identity.key_id, identity.name, identity.project, call.model.id, identity.limits)
        )
        scopes = self._scopes.get(subject)
        if scopes is None:
            if len(self._scopes) >= _MOST_SUBJECTS:
                self._scopes.clear()
            scopes = self._scopes[subject] = self.rules.scopes(subject)
        return scopes

    def _standing(self, scopes: tuple[Scope, ...]) -> Mapping[str, RateLimit]:
        now, here = self.counts.now(), time.perf_counter()
        return {
            measure: RateLimit(one.limit, one.remaining, here + (one.reset_at - now) / 1000)
            for measure, one in self.counts.standing(scopes).items()
        }


def _used(call: Call[Any]) -> tuple[int, int, int]:
    """What the request used of the model so far: tokens of prompts and of answers, and images."""
    uses = [one for (model, _), one in call.exchange.uses.items() if model == call.model.id]
    return (
        sum(use.prompt_tokens for use in uses),
        sum(use.completion_tokens for use in uses),
        sum(use.images for use in uses),
    )
