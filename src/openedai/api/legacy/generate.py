"""`POST /v1/engines/{model}/generate`: what completions were before 2021."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import ClassVar

import msgspec
from msgspec import UNSET, UnsetType
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.openai.completions.logprobs import CompletionLogprobs, completion_logprobs
from openedai.api.openai.completions.types import CompletionRequest
from openedai.api.parameters.generation.sampling import Stop
from openedai.api.parameters.numbers import MAX_INT
from openedai.api.parameters.streams import DONE
from openedai.api.route import takes
from openedai.contract.generate import TextDelta, TokenLogprob
from openedai.http.body import Body
from openedai.http.respond import data_frame
from openedai.serving.generation import Generation
from openedai.serving.outcome import Indexed, fold


class EngineGenerateRequest(Body):
    """`context`, `length` and `completions` are the `prompt`, `max_tokens` and `n` of today."""

    parameter_names: ClassVar[Mapping[str, str]] = {"prompt": "context", "max_tokens": "length"}

    model: str
    context: str | None = None
    length: int | None = Field(None, ge=1, le=MAX_INT)
    completions: int | None = Field(None, ge=1, le=128)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    logprobs: int | None = Field(None, ge=0, le=5)
    stop: Stop | None = None
    stream: bool | None = None

    def completion(self) -> CompletionRequest:
        return CompletionRequest(
            model=self.model,
            prompt=self.context,
            max_tokens=self.length,
            n=self.completions,
            temperature=self.temperature,
            top_p=self.top_p,
            logprobs=self.logprobs,
            stop=self.stop,
            stream=self.stream,
        )


class EngineGeneration(msgspec.Struct):
    """The strings of `text` together are the text of one completion."""

    text: list[str]
    logprobs: CompletionLogprobs | UnsetType = UNSET


class Generations(msgspec.Struct):
    """A whole answer; in a stream only the new text, also with an entry for each completion."""

    data: list[EngineGeneration]


@dataclass(frozen=True)
class GenerationRenderer:
    """`logprobs` is the number of alternatives; None is without log probabilities. `start` is the
    length of the prompt.
    """

    completions: int
    logprobs: int | None
    start: int

    async def whole(self, events: AsyncGenerator[Indexed, None]) -> Generations:
        outcomes = await fold(events, self.completions)
        return Generations(
            [self._generation(o.text_deltas, o.logprobs, self.start) for o in outcomes]
        )

    async def chunks(self, events: AsyncGenerator[Indexed, None]) -> AsyncGenerator[bytes, None]:
        offsets = [self.start] * self.completions
        async with aclosing(events):
            async for index, event in events:
                if not isinstance(event, TextDelta):
                    continue
                new = [EngineGeneration([]) for _ in offsets]
                new[index] = self._generation([event.text], event.logprobs, offsets[index])
                offsets[index] += len(event.text)
                yield data_frame(Generations(new))
        yield DONE

    def _generation(
        self, texts: list[str], tokens: Sequence[TokenLogprob], offset: int
    ) -> EngineGeneration:
        if self.logprobs is None:
            return EngineGeneration(texts)
        return EngineGeneration(texts, completion_logprobs(tokens, self.logprobs, offset))


class EngineGenerate:
    def __init__(self, calls: Calls, generation: Generation) -> None:
        self._calls = calls
        self._generation = generation

    @takes(EngineGenerateRequest)
    async def create(self, request: Request) -> Response:
        call = await self._calls.read(request, EngineGenerateRequest)
        completion = call.body.completion()
        events = self._generation.run(call, completion.to_engine_requests())
        renderer = GenerationRenderer(
            completion.choices, completion.logprobs, start=len(call.body.context or "")
        )
        return await self._calls.answer(call, events, renderer, stream=bool(call.body.stream))
