"""The running generations, and how callers stop their own before they end.

A stopped answer is complete: it has the text so far, and the finish reason `stop`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from openedai.contract.chat import Chat
from openedai.contract.engine import Engine, Tokenizer
from openedai.contract.generate import GenerateRequest, Text, Tokens, Usage
from openedai.errors import EngineCrashed, Unsupported
from openedai.serving.outcome import Outcome

T = TypeVar("T")

_COUNT_TIMEOUT = 5.0  # seconds


class StopHandle:
    """Stops the generations of one request, on demand."""

    def __init__(self) -> None:
        self.stopped = False
        self._waiting: asyncio.Task[Any] | None = None
        self._interrupted = False

    def stop(self) -> None:
        """Stop them. Returns before they have ended."""
        self.stopped = True
        if self._waiting is not None and not self._interrupted:
            self._interrupted = True
            self._waiting.cancel()

    async def next_event(self, events: AsyncGenerator[T, None]) -> T | None:
        """The next event; None at the end, or once it is stopped.

        Stopping interrupts only this wait, and nothing else that the request's task does. The
        number of cancellations tells ours from that of a client that leaves at the same time.
        """
        task = asyncio.current_task()
        if self.stopped or task is None:
            return None
        before = task.cancelling()
        self._waiting = task
        try:
            return await anext(events)
        except StopAsyncIteration:
            return None
        except BaseException as error:
            ours = self._interrupted and task.uncancel() <= before
            if ours and isinstance(error, asyncio.CancelledError):
                return None
            raise
        finally:
            self._waiting = None


class ActiveGenerations:
    """The running generations, by caller."""

    def __init__(self) -> None:
        self._handles: dict[str, set[StopHandle]] = {}

    def __len__(self) -> int:
        """The number of requests with running generations."""
        return sum(map(len, self._handles.values()))

    @contextmanager
    def enter(self, caller: str) -> Iterator[StopHandle]:
        """While this is open, the caller's generations can be stopped."""
        handle = StopHandle()
        own = self._handles.setdefault(caller, set())
        own.add(handle)
        try:
            yield handle
        finally:
            own.discard(handle)
            if not own:
                del self._handles[caller]

    def stop(self, caller: str) -> None:
        """Stop all generations of the caller. Returns before they have ended."""
        for handle in self._handles.get(caller, ()):
            handle.stop()


async def stopped_usage(engine: Engine, request: GenerateRequest, outcome: Outcome) -> Usage:
    """The usage of a stopped generation, for which its engine sends no Finish.

    Its texts are tokenised; if the engine cannot do that, or hangs, each delta counts as a token.
    """
    answer: list[str] = []
    reasoning: list[str] = []
    for section in outcome.sections:
        if section.type == "reasoning":
            reasoning += section.deltas
        else:
            first, *others = section.deltas
            answer += (section.name + first, *others)  # only calls have a name
    if request.echo:
        del answer[:1]  # the prompt
    prompt = request.prompt
    counts = [len(prompt.ids) if isinstance(prompt, Tokens) else 0, len(answer), len(reasoning)]
    with suppress(Unsupported, EngineCrashed, TimeoutError):
        async with asyncio.timeout(_COUNT_TIMEOUT):
            if isinstance(engine, Tokenizer):
                counts[1] = len(await engine.tokenize("".join(answer)))
                counts[2] = len(await engine.tokenize("".join(reasoning)))
                if isinstance(prompt, Chat):
                    counts[0] = await engine.count(prompt)
                elif isinstance(prompt, Text):
                    counts[0] = len(await engine.tokenize(prompt.text, special=True))
    return Usage(
        prompt_tokens=counts[0],
        completion_tokens=counts[1] + counts[2],
        reasoning_tokens=counts[2],
    )
