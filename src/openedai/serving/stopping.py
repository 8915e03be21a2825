"""The generations that run now, and how a caller ends his own before they are through.

Such an answer is whole: it has what was said so far, and the reason `stop`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from openedai.contract.chat import Chat
from openedai.contract.engine import Engine, Tokenizer
from openedai.contract.generate import (
    Finish,
    GenerateEvent,
    GenerateRequest,
    ReasoningDelta,
    Text,
    TextDelta,
    Tokens,
    ToolCallDelta,
    Usage,
)
from openedai.errors import Unsupported

T = TypeVar("T")


class Ending:
    """Whether the generations of one request were asked to end."""

    def __init__(self) -> None:
        self.asked = False
        self._waiting: asyncio.Task[Any] | None = None
        self._interrupted = False

    def ask(self) -> None:
        self.asked = True
        if self._waiting is not None and not self._interrupted:
            self._interrupted = True
            self._waiting.cancel()

    async def following(self, events: AsyncGenerator[T, None]) -> T | None:
        """The next event; None if there is none, or none is wanted any more.

        Only this waiting is broken off, wherever else the request's task may be when it is asked.
        The count of cancellations tells our own from that of a client that leaves meanwhile.
        """
        task = asyncio.current_task()
        if self.asked or task is None:
            return None
        before = task.cancelling()
        self._waiting = task
        try:
            return await anext(events, None)
        except BaseException as error:
            ours = self._interrupted and task.uncancel() <= before
            if ours and isinstance(error, asyncio.CancelledError):
                return None
            raise
        finally:
            self._waiting = None


class Running:
    """The generations of each caller."""

    def __init__(self) -> None:
        self._endings: dict[str, set[Ending]] = {}

    @contextmanager
    def enter(self, caller: str) -> Iterator[Ending]:
        """While this is open, the caller's generations can be asked to end."""
        ending = Ending()
        his = self._endings.setdefault(caller, set())
        his.add(ending)
        try:
            yield ending
        finally:
            his.discard(ending)
            if not his:
                del self._endings[caller]

    def end(self, caller: str) -> None:
        """Ask all that run for the caller to end. Returns before they have."""
        for ending in self._endings.get(caller, ()):
            ending.ask()


@dataclass
class Said:
    """What a generation has said so far, for the usage that its engine will not tell."""

    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)

    def add(self, event: GenerateEvent) -> None:
        match event:
            case TextDelta(text=text):
                self.texts.append(text)
            case ReasoningDelta(text=text):
                self.thoughts.append(text)
            case ToolCallDelta(name=name, arguments=arguments):
                self.texts.append(name + arguments)
            case Finish():
                pass

    async def usage(self, engine: Engine, request: GenerateRequest) -> Usage:
        """Counted again from the texts, or by pieces where the engine shows no tokens."""
        prompt = request.prompt
        texts = self.texts[1:] if request.echo else self.texts  # the first is the prompt
        spoken, thought = len(texts), len(self.thoughts)
        asked = len(prompt.ids) if isinstance(prompt, Tokens) else 0
        with suppress(Unsupported):
            if isinstance(engine, Tokenizer):
                spoken = len(await engine.tokenize("".join(texts)))
                thought = len(await engine.tokenize("".join(self.thoughts)))
                if isinstance(prompt, Chat):
                    asked = await engine.count(prompt)
                elif isinstance(prompt, Text):
                    asked = len(await engine.tokenize(prompt.text, special=True))
        return Usage(
            prompt_tokens=asked, completion_tokens=spoken + thought, reasoning_tokens=thought
        )
