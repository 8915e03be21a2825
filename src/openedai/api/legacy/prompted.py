"""What answers and classifications have in common: a search, then a completion of examples."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Annotated, Any, Literal, TypeVar

from msgspec.structs import replace
from pydantic import Field

from openedai.api.openai.completions.render import Completion, completion_renderer
from openedai.api.openai.completions.types import CompletionRequest
from openedai.api.parameters.generation.sampling import LogitBias
from openedai.contract.generate import Constraint, Finish, GenerateRequest
from openedai.errors import ContextLengthExceeded, InvalidRequest
from openedai.http.body import Body, Refused, UnsupportedValues
from openedai.serving.call import Call
from openedai.serving.generation import Generation
from openedai.serving.outcome import Indexed

T = TypeVar("T")
A = TypeVar("A")

NotEmpty = Annotated[str, Field(min_length=1)]
# A JSON array of two texts.
Pair = Annotated[list[NotEmpty], Field(min_length=2, max_length=2)]
Expandable = Annotated[Literal["completion", "file"], UnsupportedValues("file")]


class PromptedBody(Body):
    """Ranges and defaults are those of the official API. `return_metadata` is only for files."""

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

    def completion_request(self, prompt: str, **parameters: Any) -> CompletionRequest:
        """The prompt as a request for completions. Without a temperature it is 0."""
        return CompletionRequest(
            model=self.model,
            prompt=prompt,
            temperature=self.temperature or 0.0,
            logprobs=self.logprobs,
            logit_bias=self.logit_bias,
            **parameters,
        )

    def rendered(self, completion: Completion) -> Completion | str:
        """What the answer shows: the id of the completion, or all of it if the body asks for it."""
        whole = self.logprobs is not None or "completion" in (self.expand or ())
        return completion if whole else completion.id


async def complete(
    generation: Generation,
    call: Call[Any],
    body: CompletionRequest,
    constraint: Constraint | None = None,
) -> Completion:
    """The completions of a prompt.

    Raises InvalidRequest if the context has no room for the prompt and a whole answer.
    """
    requests = [replace(one, constraint=constraint) for one in body.to_engine_requests()]
    events = _require_room(generation.run(call, requests), requests)
    return await completion_renderer(body, call.model).whole(events)


async def _require_room(
    events: AsyncGenerator[Indexed, None], requests: Sequence[GenerateRequest]
) -> AsyncGenerator[Indexed, None]:
    """The events. Raises ContextLengthExceeded if the context was full before the answer ended."""
    async with aclosing(events):
        async for index, event in events:
            limit = requests[index].max_tokens or 0
            if isinstance(event, Finish) and event.reason == "length":
                usage = event.usage
                if usage.completion_tokens < limit:
                    raise ContextLengthExceeded.by_tokens(
                        usage.prompt_tokens + usage.completion_tokens, usage.prompt_tokens + limit
                    )
            yield index, event


async def truncate_to_fit(
    items: Sequence[T], complete: Callable[[Sequence[T]], Awaitable[A]]
) -> tuple[Sequence[T], A]:
    """The items, best first, that fit the model's context, and what `complete` returns for them.

    As long as they do not fit, the worse half is dropped. Raises InvalidRequest if the prompt does
    not even fit without any.
    """
    while True:
        try:
            return items, await complete(items)
        except InvalidRequest as error:
            if error.code != "context_length_exceeded" or not items:
                raise
            items = items[: len(items) // 2]
