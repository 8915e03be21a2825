"""A progress that records its steps."""

from __future__ import annotations


class Recorder:
    def __init__(self) -> None:
        self.steps: list[tuple[str, int | None, int]] = []

    def start(self, description: str, total: int | None) -> None:
        self.steps.append((description, total, 0))

    def advance(self, n: int) -> None:
        description, total, done = self.steps[-1]
        self.steps[-1] = (description, total, done + n)

    def step(self, word: str) -> tuple[int | None, int]:
        """Total and finished bytes of the first step whose description begins with this word."""
        return next((total, done) for text, total, done in self.steps if text.startswith(word))
