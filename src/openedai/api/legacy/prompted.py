"""What answers and classifications share: a search, then one completion of a prompt of examples."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Annotated, Any, Literal, TypeVar

from msgspec.structs import replace
from pydantic import Field
from starlette.requests import Request

from openedai.api.legacy.naming import renamed
from openedai.api.openai.completions.render import Completion, completion_renderer
from openedai.api.openai.completions.types import CompletionRequest
from openedai.api.parameters.sampling import LogitBias
from openedai.catalog.catalog import Model
from openedai.contract.generate import Constraint, Finish, GenerateRequest
from openedai.errors import ContextLengthExceeded, InvalidRequest
from openedai.http.body import Body, Lacking, Refused
from openedai.serving.generation import Indexed, generate
from openedai.serving.services import Services

T = TypeVar("T")
A = TypeVar("A")

NotEmpty = Annotated[str, Field(min_length=1)]
# A JSON array of two texts.
Pair = Annotated[list[NotEmpty], Field(min_length=2, max_length=2)]
Expandable = Annotated[Literal["completion", "file"], Lacking("file")]


class PromptedBody(Body):
    """Ranges and defaults are the official API's. `return_metadata` is about files."""

    model: str
    search_model: str | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    logprobs: int | None = Field(None, ge=0, le=5)
    logit_bias: LogitBias | None = None
    return_prompt: bool | None = None
    return_metadata: bool | None = None
    expand: list[Expandable] | None = Field(None, max_length=16)
    file: Refused = None
    user: str | None = None

    def completion(self, prompt: str, **more: Any) -> CompletionRequest:
        """The prompt as a request for completions. Without a temperature it is 0."""
        return CompletionRequest(
            model=self.model,
            prompt=prompt,
            temperature=self.temperature or 0.0,
            logprobs=self.logprobs,
            logit_bias=self.logit_bias,
            **more,
        )

    def shown(self, completion: Completion) -> Completion | str:
        """The completion as answers carry it: its id, unless more was asked for."""
        whole = self.logprobs is not None or "completion" in (self.expand or ())
        return completion if whole else completion.id


async def complete(
    here: Services,
    request: Request,
    model: Model,
    body: CompletionRequest,
    constraint: Constraint | None = None,
    **names: str,
) -> Completion:
    """Raises InvalidRequest if the model's context has no room for the prompt and a whole answer.

    `names` are those of `renamed`.
    """
    wanted = [replace(one, constraint=constraint) for one in body.wanted()]
    events = _with_room(generate(here, request, model, wanted), wanted)
    return await completion_renderer(body, model).whole(renamed(events, **names))


async def _with_room(
    events: AsyncGenerator[Indexed, None], wanted: Sequence[GenerateRequest]
) -> AsyncGenerator[Indexed, None]:
    """The events, as long as none was cut before it had all the tokens that it might have."""
    async with aclosing(events):
        async for index, event in events:
            limit = wanted[index].max_tokens or 0
            if isinstance(event, Finish) and event.reason == "length":
                used = event.usage
                if used.completion_tokens < limit:
                    raise ContextLengthExceeded(
                        used.prompt_tokens + used.completion_tokens, used.prompt_tokens + limit
                    )
            yield index, event


async def with_what_fits(
    items: Sequence[T], ask: Callable[[Sequence[T]], Awaitable[A]]
) -> tuple[Sequence[T], A]:
    """What `ask` makes of the items, best first, as far as they fit the model's context.

    While they are too many, the worse half is left out. Raises InvalidRequest if it does not fit
    without any.
    """
    while True:
        try:
            return items, await ask(items)
        except InvalidRequest as error:
            if error.code != "context_length_exceeded" or not items:
                raise
            items = items[: len(items) // 2]
