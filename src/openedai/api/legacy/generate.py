"""`POST /v1/engines/{id}/generate`: completions, before they were called so."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import msgspec
from msgspec import UNSET, UnsetType
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.answer import answer
from openedai.api.legacy.naming import renamed
from openedai.api.openai.completions.logprobs import CompletionLogprobs, completion_logprobs
from openedai.api.openai.completions.types import CompletionRequest
from openedai.api.parameters.sampling import Stop
from openedai.contract.generate import TextDelta, TokenLogprob
from openedai.http.body import Body
from openedai.http.respond import DONE, data_frame
from openedai.serving.generation import Indexed, fold
from openedai.serving.services import services


class EngineGenerateRequest(Body):
    """`context`, `length` and `completions` are the `prompt`, `max_tokens` and `n` of today."""

    model: str
    context: str | None = None
    length: int | None = Field(None, ge=1)
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


class Generation(msgspec.Struct):
    """The strings of `text` together are the text of one completion."""

    text: list[str]
    logprobs: CompletionLogprobs | UnsetType = UNSET


class Generations(msgspec.Struct):
    """A whole answer; in a stream, what is new, with an entry for each completion too."""

    data: list[Generation]


@dataclass(frozen=True)
class GenerationRenderer:
    """`logprobs` None gives none, a number that many alternatives."""

    completions: int
    logprobs: int | None

    async def whole(self, events: AsyncGenerator[Indexed, None]) -> Generations:
        outcomes = await fold(_renamed(events), self.completions)
        return Generations([self._generation(o.texts, o.logprobs, 0) for o in outcomes])

    async def chunks(self, events: AsyncGenerator[Indexed, None]) -> AsyncGenerator[bytes, None]:
        said = [0] * self.completions
        async with aclosing(_renamed(events)) as named:
            async for index, event in named:
                if not isinstance(event, TextDelta):
                    continue
                new = [Generation([]) for _ in said]
                new[index] = self._generation([event.text], event.logprobs, said[index])
                said[index] += len(event.text)
                yield data_frame(Generations(new))
        yield DONE

    def _generation(
        self, texts: list[str], tokens: Sequence[TokenLogprob], offset: int
    ) -> Generation:
        if self.logprobs is None:
            return Generation(texts)
        return Generation(texts, completion_logprobs(tokens, self.logprobs, offset))


def _renamed(events: AsyncGenerator[Indexed, None]) -> AsyncGenerator[Indexed, None]:
    return renamed(events, prompt="context", max_tokens="length")


async def create(request: Request) -> Response:
    here = services(request)
    body, headers = await here.read(request, EngineGenerateRequest)
    model = here.catalog.resolve(body.model)
    completion = body.completion()
    return await answer(
        here,
        request,
        model,
        completion.wanted(),
        GenerationRenderer(completion.choices, completion.logprobs),
        stream=bool(body.stream),
        headers=headers,
    )
