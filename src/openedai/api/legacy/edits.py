"""`POST /v1/edits`: a text edited as an instruction says, by a chat with an instruct model."""

from __future__ import annotations

import time

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.legacy.naming import renamed
from openedai.config import ModelSpec
from openedai.contract.generate import GenerateRequest, Sampling, Usage
from openedai.http.body import Body
from openedai.http.respond import json_response
from openedai.prompts.edit_prompt import edit_chat, unwrap_edit
from openedai.serving.generation import add_usage, fold, generate
from openedai.serving.services import services

MAX_EDITS = 20


class EditRequest(Body):
    """Ranges are the official API's. Without an `input` the text is written from nothing."""

    model: str
    instruction: str = Field(min_length=1)
    input: str | None = None
    n: int | None = Field(None, ge=1, le=MAX_EDITS)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)

    @property
    def text(self) -> str:
        return self.input or ""

    def wanted(self, spec: ModelSpec) -> list[GenerateRequest]:
        """One generation for each edit, in the form of the model's prompt format."""
        chat = edit_chat(self.instruction, self.text, spec.options.get("prompt_format"))
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


async def create(request: Request) -> Response:
    here = services(request)
    body, headers = await here.read(request, EditRequest)
    model = here.catalog.resolve(body.model)
    wanted = body.wanted(model.spec)
    events = renamed(generate(here, request, model, wanted), messages="input")
    outcomes = await fold(events, len(wanted))
    texts = [unwrap_edit(outcome.text, body.instruction, body.text) for outcome in outcomes]
    edit = Edit(
        created=int(time.time()),
        choices=[EditChoice(text, index) for index, text in enumerate(texts)],
        usage=_usage(add_usage([outcome.finish for outcome in outcomes], len(wanted))),
    )
    return json_response(edit, headers=headers | here.limits(model.spec))


def _usage(usage: Usage) -> EditUsage:
    total = usage.prompt_tokens + usage.completion_tokens
    return EditUsage(usage.prompt_tokens, usage.completion_tokens, total)
