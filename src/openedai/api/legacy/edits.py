"""`POST /v1/edits`: a text edited as an instruction says, by a chat with an instruct model."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import ClassVar

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.route import takes
from openedai.config import ModelSpec
from openedai.contract.generate import GenerateRequest, Sampling, Usage
from openedai.engines.registry import generator_traits
from openedai.http.body import Body
from openedai.prompts.edit_prompt import edit_chat, unwrap_edit
from openedai.serving.generation import Generation
from openedai.serving.outcome import fold, total_usage

MAX_EDITS = 20


class EditRequest(Body):
    """Ranges are those of the official API. Without an `input` a new text is written."""

    parameter_names: ClassVar[Mapping[str, str]] = {"messages": "input"}

    model: str
    instruction: str = Field(min_length=1)
    input: str | None = None
    n: int | None = Field(None, ge=1, le=MAX_EDITS)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)

    @property
    def text(self) -> str:
        return self.input or ""

    def to_engine_requests(self, spec: ModelSpec) -> list[GenerateRequest]:
        """One generation for each edit, in the model's prompt format."""
        traits = generator_traits(spec.engine, spec.options)
        chat = edit_chat(self.instruction, self.text, traits.prompt_format if traits else None)
        sampling = Sampling(temperature=self.temperature, top_p=self.top_p)
        return [GenerateRequest(prompt=chat, sampling=sampling) for _ in range(self.n or 1)]


class EditChoice(msgspec.Struct):
    text: str
    index: int


class EditUsage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Edit(msgspec.Struct):
    created: int
    choices: list[EditChoice]
    usage: EditUsage
    object: str = "edit"


class Edits:
    def __init__(self, calls: Calls, generation: Generation) -> None:
        self._calls = calls
        self._generation = generation

    @takes(EditRequest)
    async def create(self, request: Request) -> Response:
        call = await self._calls.read(request, EditRequest)
        body, requests = call.body, call.body.to_engine_requests(call.spec)
        outcomes = await fold(self._generation.run(call, requests), len(requests))
        texts = [unwrap_edit(outcome.text, body.instruction, body.text) for outcome in outcomes]
        usage = total_usage([outcome.finish for outcome in outcomes], len(requests))
        edit = Edit(
            created=int(time.time()),
            choices=[EditChoice(text, index) for index, text in enumerate(texts)],
            usage=_usage(usage),
        )
        return self._calls.respond(call, edit)


def _usage(usage: Usage) -> EditUsage:
    total = usage.prompt_tokens + usage.completion_tokens
    return EditUsage(usage.prompt_tokens, usage.completion_tokens, total)
