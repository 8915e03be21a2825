"""A server with limits, whose time passes as the test says."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from openai import OpenAI

from openedai.config.limits import LimitSettings
from openedai.security.limits.rules import Subject
from openedai.security.limits.scopes import Measure, Standing
from tests.support import Running, ServerThread, echo_settings

ALICE, BOB = "sk-alice-0123456789", "sk-bob-0123456789"
MESSAGES: Any = [{"role": "user", "content": "one two three"}]
NOON = 1_795_780_800.0  # a noon of UTC


class Clock:
    """Noon, and what a test has skipped since; the real time too from `run` on."""

    def __init__(self) -> None:
        self._skipped = 0.0
        self._began: float | None = None

    def __call__(self) -> float:
        passed = 0.0 if self._began is None else time.monotonic() - self._began
        return NOON + self._skipped + passed

    def skip(self, seconds: float) -> None:
        self._skipped += seconds

    def run(self) -> None:
        self._began = time.monotonic()


@contextmanager
def limited(*, clock: Clock | None = None, **limits: Any) -> Iterator[Running]:
    """A server whose callers have a key and these limits."""
    with ServerThread(
        echo_settings(api_keys=(ALICE, BOB), limits=LimitSettings(**limits)),
        limits_clock=clock or Clock(),
    ) as server:
        yield server


def client(server: Running, key: str = ALICE, **options: Any) -> OpenAI:
    return server.client(api_key=key, **options)


def chat(client: OpenAI, model: str = "echo", **options: Any) -> Any:
    return client.chat.completions.create(model=model, messages=MESSAGES, **options)


def standing(server: Running, model: str = "echo", key: str = ALICE) -> dict[Measure, Standing]:
    """How the limits of a key's project stand."""
    limiting = server.app.state.services.limiting
    owner = hashlib.sha256(key.encode()).hexdigest()[:16]
    scopes = limiting.rules.scopes(Subject(owner, "api_keys", owner, model))
    return dict(limiting.counts.standing(scopes))


def left(server: Running, measure: Measure, model: str = "echo", key: str = ALICE) -> int:
    """How many requests or tokens are left to the key's project."""
    return standing(server, model, key)[measure].remaining
