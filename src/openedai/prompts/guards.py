"""Text models that judge texts: what they are asked, and what their answers mean for moderation.

Llama Guard answers `safe`, or `unsafe` and the codes of hazards in the next line. ShieldGemma says
whether a text violates one guideline. Both have prompts of their own, which their chat templates
write. Any other model is asked whether a text violates a policy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from openedai.contract.decide import DecideRequest, Question
from openedai.contract.moderate import CATEGORIES, Assessment
from openedai.prompts.decisions import NO, YES, decision_input, shares, yes_or_no

GuardName = Literal["llama_guard", "llama_guard_2", "shieldgemma"]
FLAGGED_FROM = 0.5
# The hazards of Llama Guard 3 and 4 by their codes, as far as they correspond to our categories.
HAZARDS: Mapping[str, tuple[str, ...]] = {
    "S1": ("illicit", "illicit/violent", "violence"),  # violent crimes
    "S2": ("illicit",),  # other crimes
    "S3": ("illicit", "sexual"),  # sexual crimes
    "S4": ("sexual", "sexual/minors"),  # exploitation of children
    "S5": ("harassment",),  # defamation
    "S6": (),  # specialised advice
    "S7": (),  # privacy
    "S8": (),  # intellectual property
    "S9": ("illicit", "illicit/violent"),  # weapons of mass destruction
    "S10": ("hate",),
    "S11": ("self-harm",),
    "S12": ("sexual",),
    "S13": (),  # elections
    "S14": ("illicit",),  # abuse of code interpreters
}
# Llama Guard 2 has no code for defamation, so later codes are one lower.
HAZARDS_2: Mapping[str, tuple[str, ...]] = {
    **{code: HAZARDS[code] for code in ("S1", "S2", "S3", "S4")},
    **{f"S{number}": HAZARDS[f"S{number + 1}"] for number in range(5, 12)},
}
GUIDELINES: Mapping[str, str] = {
    "harassment": '"No Harassment": The text shall not attack, intimidate, humiliate or bully a '
    "person, nor ask for words that do.",
    "hate": '"No Hate Speech": The text shall not attack or demean people for their origin, '
    "religion, sex, orientation, disability or the like, nor call for discrimination or violence "
    "against them.",
    "illicit": '"No Dangerous Content": The text shall not ask for or give help with crimes, '
    "weapons, explosives, drugs or terrorism.",
    "self-harm": '"No Self-Harm": The text shall not encourage, describe or explain how to injure '
    "or kill oneself, nor state that intent.",
    "sexual": '"No Sexually Explicit Information": The text shall not describe sexual acts or body '
    "parts in order to arouse; education and art are allowed.",
    "violence": '"No Violence": The text shall not threaten or glorify violence, or dwell on '
    "injuries and death.",
}


class Guard(Protocol):
    @property
    def marker(self) -> str:
        """A text that every prompt contains if the model's chat template is made for this guard."""

    def request(self, text: str) -> DecideRequest:
        """The questions about a text."""

    def assessment(self, logprobs: Sequence[Sequence[float]]) -> Assessment:
        """The assessment that follows from the log probabilities of the answers."""


@dataclass(frozen=True)
class HazardGuard:
    """Asks for the verdict together with the first hazard; they have one probability.

    Some templates end before the empty line of the answer, others after it.
    """

    hazards: Mapping[str, tuple[str, ...]]
    marker: str = "S1"

    def request(self, text: str) -> DecideRequest:
        answers = ["safe", *(f"unsafe\n{code}" for code in self.hazards)]
        labels = tuple(start + answer for start in ("", "\n\n") for answer in answers)
        return DecideRequest(input=text, questions=(Question(text="", labels=labels),))

    def assessment(self, logprobs: Sequence[Sequence[float]]) -> Assessment:
        """An unsafe text is flagged at least for the likeliest category."""
        found = shares(logprobs[0])
        half = len(found) // 2
        safe, *unsafe = (a + b for a, b in zip(found[:half], found[half:], strict=True))
        by_code = list(zip(self.hazards.values(), unsafe, strict=True))
        scores = {
            category: min(1.0, math.fsum(share for known, share in by_code if category in known))
            for category in CATEGORIES
            if any(category in known for known in self.hazards.values())
        }
        likeliest, _ = max(by_code, key=lambda one: one[1])
        if safe > FLAGGED_FROM:
            likeliest = ()
        flagged = (name for name in scores if scores[name] >= FLAGGED_FROM or name in likeliest)
        return Assessment(scores=scores, flagged=tuple(flagged))


@dataclass(frozen=True)
class PolicyGuard:
    """Asks about one policy after the other; `policies` has them by category.

    They go into a `variable` of the chat template, or into the message.
    """

    policies: Mapping[str, str]
    variable: str | None = None
    marker: str = ""

    def request(self, text: str) -> DecideRequest:
        if self.variable is not None:
            questions = [Question(text=one, labels=(YES, NO)) for one in self.policies.values()]
            return DecideRequest(input=text, questions=tuple(questions), variable=self.variable)
        questions = [
            yes_or_no(f"Does the input violate this policy? {one}")
            for one in self.policies.values()
        ]
        return DecideRequest(input=decision_input(text), questions=tuple(questions))

    def assessment(self, logprobs: Sequence[Sequence[float]]) -> Assessment:
        scores = {
            category: shares(row)[0] for category, row in zip(self.policies, logprobs, strict=True)
        }
        flagged = tuple(name for name, score in scores.items() if score >= FLAGGED_FROM)
        return Assessment(scores=scores, flagged=flagged)


def guard_of(choice: GuardName | Mapping[str, str]) -> Guard:
    """The guard with that name, or one that asks about policies in words, by category.

    Raises ValueError for anything that is not a category, and for empty policies.
    """
    if choice == "llama_guard":
        return HazardGuard(HAZARDS)
    if choice == "llama_guard_2":
        return HazardGuard(HAZARDS_2)
    if choice == "shieldgemma":
        return PolicyGuard(GUIDELINES, variable="guideline")
    for category, policy in choice.items():
        if category not in CATEGORIES:
            raise ValueError(f"there is no category `{category}`")
        if not policy.strip():
            raise ValueError(f"the policy of `{category}` is empty")
    if not choice:
        raise ValueError("there is no policy")
    ordered = {category: choice[category] for category in CATEGORIES if category in choice}
    return PolicyGuard(ordered)
