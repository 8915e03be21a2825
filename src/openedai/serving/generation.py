"""Running the engine for all that generates text, and folding its events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from msgspec.structs import replace
from starlette.requests import Request

from openedai.catalog.catalog import Model
from openedai.contract.chat import ToolCall
from openedai.contract.engine import Generator
from openedai.contract.generate import (
    Finish,
    GenerateEvent,
    GenerateRequest,
    ReasoningDelta,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)
from openedai.errors import EngineFailed
from openedai.http.envelope import Exchange
from openedai.serving.merge import merge
from openedai.serving.services import Services
from openedai.serving.stopping import Said

# An event, behind the number of the generation it belongs to.
Indexed = tuple[int, GenerateEvent]


async def generate(
    here: Services, request: Request, model: Model, wanted: Sequence[GenerateRequest]
) -> AsyncGenerator[Indexed, None]:
    """Run every generation under one lease; their events come as they happen."""
    spec = model.spec
    if model.variant is not None:
        wanted = [replace(one, variant=model.variant) for one in wanted]
    exchange: Exchange = request.scope["exchange"]
    caller: str = request.scope["caller"]
    exchange.facts["model"] = model.id
    first = True
    async with here.pool.lease(spec, Generator, caller, weight=len(wanted)) as engine:
        exchange.marks["leased"] = exchange.seconds
        said = {index: Said() for index in range(len(wanted))}
        streams = [engine.generate(one) for one in wanted]
        merged = merge(streams, limit=engine.slots)
        with here.running.enter(caller) as ending:
            async with aclosing(merged) as events:
                while (pair := await ending.following(events)) is not None:
                    index, event = pair
                    if first:
                        first = False
                        here.metrics.first_token(spec.id, exchange.seconds)
                    said[index].add(event)
                    if isinstance(event, Finish):
                        del said[index]
                        here.metrics.used(spec.id, event.usage)
                    yield pair
        if ending.asked:
            for index, one in said.items():
                usage = await one.usage(engine, wanted[index])
                here.metrics.used(spec.id, usage)
                yield index, Finish(reason="stop", usage=usage)


@dataclass
class Outcome:
    """What one generation came to, so far."""

    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    end: Finish | None = None

    @property
    def text(self) -> str:
        return "".join(self.texts)

    @property
    def reasoning(self) -> str:
        return "".join(self.thoughts)

    @property
    def finish(self) -> Finish:
        if self.end is None:
            raise EngineFailed("The engine ended its answer without saying why.")
        return self.end

    def add(self, event: GenerateEvent) -> None:
        match event:
            case TextDelta():
                self.texts.append(event.text)
                self.logprobs.extend(event.logprobs)
            case ReasoningDelta(text=text):
                self.thoughts.append(text)
            case ToolCallDelta():
                self._add_call(event)
            case Finish():
                self.end = event

    def _add_call(self, delta: ToolCallDelta) -> None:
        if delta.index == len(self.calls):
            self.calls.append(ToolCall(id=delta.id, name=delta.name, arguments=delta.arguments))
        else:
            call = self.calls[delta.index]
            whole = call.arguments + delta.arguments
            self.calls[delta.index] = ToolCall(id=call.id, name=call.name, arguments=whole)


async def fold(events: AsyncGenerator[Indexed, None], count: int) -> list[Outcome]:
    """The outcomes of `count` generations, in their order."""
    outcomes = [Outcome() for _ in range(count)]
    async with aclosing(events):
        async for index, event in events:
            outcomes[index].add(event)
    return outcomes


def add_usage(finishes: Sequence[Finish], choices: int) -> Usage:
    """The usage of a request with several prompts and `choices` for each.

    A prompt counts once, however many answers it got.
    """
    prompts = [finish.usage for finish in finishes[::choices]]
    return Usage(
        prompt_tokens=sum(usage.prompt_tokens for usage in prompts),
        cached_tokens=sum(usage.cached_tokens for usage in prompts),
        completion_tokens=sum(finish.usage.completion_tokens for finish in finishes),
        reasoning_tokens=sum(finish.usage.reasoning_tokens for finish in finishes),
    )
