"""Moderation by a text model, from the probabilities of its answers to a guard's questions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from msgspec.structs import replace

from openedai.contract.decide import DecideRequest, DecideResult
from openedai.contract.moderate import CATEGORIES, Assessment, ModerateRequest, ModerateResult
from openedai.engines.moderation.windows import windows
from openedai.engines.options import invalid_options
from openedai.errors import ContextLengthExceeded
from openedai.prompts.guards import Guard, GuardName, guard_of

GuardOption = GuardName | dict[str, str]
Decide = Callable[[DecideRequest], Awaitable[DecideResult]]
# Each window costs one prompt per question.
WINDOW_CHARACTERS = 2000


def read_guard(model: str, option: GuardOption | None) -> Guard | None:
    """The guard of a model's option `moderation`. Raises EngineFailed."""
    if option is None:
        return None
    try:
        return guard_of(option)
    except ValueError as error:
        raise invalid_options(model, f"moderation: {error}") from error


class GuardedTexts:
    """Assesses texts by the answers that `decide` gives; `variant` is the requests' own.

    A text has the highest scores of its windows. One that does not fit the model is divided.
    """

    def __init__(self, guard: Guard, decide: Decide, variant: str | None) -> None:
        self._guard = guard
        self._decide = decide
        self._variant = variant
        self._tokens = 0

    async def assess(self, request: ModerateRequest) -> ModerateResult:
        found = [
            _highest([await self._window(one) for one in windows(text.text, WINDOW_CHARACTERS)])
            for text in request.inputs
        ]
        return ModerateResult(assessments=tuple(found), prompt_tokens=self._tokens)

    async def _window(self, text: str) -> Assessment:
        request = replace(self._guard.request(text), variant=self._variant)
        try:
            result = await self._decide(request)
        except ContextLengthExceeded:
            if len(text) < 2:
                raise
            end = text.rfind(" ", 1, len(text) // 2 + 1)
            end = len(text) // 2 if end < 0 else end
            return _highest([await self._window(part) for part in (text[:end], text[end:])])
        self._tokens += result.usage.prompt_tokens
        return self._guard.assessment(result.logprobs)


def _highest(found: Sequence[Assessment]) -> Assessment:
    """One assessment for several parts of a text."""
    flagged = {name for one in found for name in one.flagged}
    return Assessment(
        scores={name: max(one.scores[name] for one in found) for name in found[0].scores},
        flagged=tuple(name for name in CATEGORIES if name in flagged),
    )
