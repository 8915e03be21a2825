"""What one request used of models. This is the one place where its numbers are gathered."""

from __future__ import annotations

from dataclasses import dataclass

from openedai.contract.generate import Usage


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A tool that the server ran. Times are in seconds after the start of the exchange."""

    name: str
    began_at: float
    ended_at: float


@dataclass(slots=True)
class Use:
    """What a request used of one model, for work of one `kind`.

    `spec` is the id of the spec that was loaded for the model. `size` is that of made images,
    `finish_reasons` are of generations. Times are in seconds after the start of the exchange, None
    until it happens: `queued_at` when the model was asked for, `leased_at` when it was ready and
    free, `loading` from when to when it was loaded, if the request waited for that.
    """

    model: str
    spec: str
    kind: str
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    audio_seconds: float = 0.0
    characters: int = 0
    images: int = 0
    size: str = ""
    finish_reasons: tuple[str, ...] = ()
    queued_at: float | None = None
    loading: tuple[float, float] | None = None
    leased_at: float | None = None
    first_event_at: float | None = None
    last_event_at: float | None = None

    def add(self, usage: Usage) -> None:
        """Add the tokens of a part of the work."""
        self.prompt_tokens += usage.prompt_tokens
        self.cached_tokens += usage.cached_tokens
        self.completion_tokens += usage.completion_tokens
        self.reasoning_tokens += usage.reasoning_tokens

    def note_event(self, seconds: float) -> None:
        """Note that an event came this many seconds after the start of the exchange."""
        if self.first_event_at is None:
            self.first_event_at = seconds
        self.last_event_at = seconds
