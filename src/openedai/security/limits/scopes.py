"""What is limited, and what a request costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Measure = Literal["requests", "tokens", "images", "audio"]
Per = Literal["minute", "day", "month"]
Reason = Literal["rate", "quota", "size"]


@dataclass(frozen=True)
class Bound:
    """The maximum of a measure within a time. `setting` is its name in the settings, `words` its
    name in messages. Audio is counted in bytes.
    """

    setting: str
    measure: Measure
    per: Per
    limit: int
    words: str


# By setting: measure, time, factor for the setting's value, words.
BOUNDS: dict[str, tuple[Measure, Per, int, str]] = {
    "requests_per_minute": ("requests", "minute", 1, "requests per min (RPM)"),
    "tokens_per_minute": ("tokens", "minute", 1, "tokens per min (TPM)"),
    "images_per_minute": ("images", "minute", 1, "images per min (IPM)"),
    "audio_megabytes_per_minute": ("audio", "minute", 1_000_000, "bytes of audio per min"),
    "requests_per_day": ("requests", "day", 1, "requests per day (RPD)"),
    "tokens_per_day": ("tokens", "day", 1, "tokens per day (TPD)"),
    "requests_per_month": ("requests", "month", 1, "requests per month"),
    "tokens_per_month": ("tokens", "month", 1, "tokens per month"),
}


@dataclass(frozen=True)
class Scope:
    """What shares one count; `name` is the name of its counter. `at_once` 0 is no limit."""

    name: str
    bounds: tuple[Bound, ...]
    at_once: int = 0

    @property
    def is_lasting(self) -> bool:
        """Whether its counts matter for longer than a minute."""
        return any(bound.per != "minute" for bound in self.bounds)


@dataclass(frozen=True)
class Cost:
    """What a request is expected to use, in addition to counting as a request. Its answer has up to
    `answer_tokens`, for which it asked; of the `likely_tokens`, as many are counted as there is
    room for. Audio is in bytes.
    """

    prompt_tokens: int = 0
    answer_tokens: int = 0
    likely_tokens: int = 0
    images: int = 0
    audio: int = 0

    @property
    def tokens(self) -> int:
        """The tokens for which there must be room."""
        return self.prompt_tokens + self.answer_tokens

    def least(self, measure: Measure) -> int:
        """The least that it may use of a measure."""
        match measure:
            case "requests":
                return 1
            case "tokens":
                return self.tokens + (self.likely_tokens > 0)
            case "images":
                return self.images
            case "audio":
                return self.audio


@dataclass(frozen=True)
class Standing:
    """A limit, what is left of it, and the time, in milliseconds, when all of it is available again
    if nothing else is used.
    """

    limit: int
    remaining: int
    reset_at: int


@dataclass(frozen=True)
class Refusal:
    """The limit that a request would exceed; `wait` are the milliseconds after which it would not.

    `reason` "quota" is a limit of a day or a month, and "size" a request that is larger than the
    limit: it can never be served.
    """

    reason: Reason
    measure: Measure
    words: str
    limit: int
    used: int
    requested: int
    wait: int
