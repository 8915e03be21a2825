"""The body of `POST /v1/chat/completions`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from openedai.api.sampling import SamplingBody, json_type
from openedai.engines.base import Chat, GenerateRequest, Message
from openedai.errors import InvalidRequest
from openedai.http.body import Body, Only, Refused


class TextPart(Body):
    type: Literal["text"]
    text: str


Content = Annotated[
    Annotated[str, Tag("~a string")]
    | Annotated[list[TextPart], Field(min_length=1), Tag("~an array")],
    Discriminator(json_type),
]


class ChatMessage(Body):
    role: Literal["developer", "system", "user", "assistant", "tool", "function"]
    content: Content
    name: str | None = None
    tool_call_id: str | None = None
    refusal: Annotated[str | None, Only()] = None
    audio: Refused = None
    tool_calls: Annotated[Any, Only(([],))] = None
    function_call: Refused = None

    def parsed(self) -> Message:
        """As engines see it. `developer` is the newer name of `system`."""
        if isinstance(self.content, str):
            text = self.content
        else:
            text = "".join(part.text for part in self.content)
        role = "system" if self.role == "developer" else self.role
        return Message(role=role, content=text, name=self.name)


class ChatCompletionRequest(SamplingBody):
    messages: list[ChatMessage] = Field(min_length=1)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    safety_identifier: str | None = None

    modalities: Annotated[list[str] | None, Only((["text"],))] = None
    logprobs: Annotated[bool | None, Only((False,))] = None
    top_logprobs: Annotated[int | None, Only((0,))] = None
    response_format: Annotated[Any, Only(({"type": "text"},))] = None
    service_tier: Annotated[str | None, Only(("auto", "default"))] = None
    store: Annotated[bool | None, Only((False,))] = None
    tools: Annotated[Any, Only(([],))] = None
    tool_choice: Annotated[Any, Only(("none",))] = None
    parallel_tool_calls: Refused = None
    functions: Refused = None
    function_call: Annotated[Any, Only(("none",))] = None
    reasoning_effort: Refused = None
    verbosity: Refused = None
    prediction: Refused = None
    audio: Refused = None
    metadata: Refused = None
    moderation: Refused = None
    prompt_cache_key: Refused = None
    prompt_cache_options: Refused = None
    prompt_cache_retention: Refused = None
    web_search_options: Refused = None

    def check(self) -> None:
        super().check()
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            raise InvalidRequest(
                "'max_tokens' and 'max_completion_tokens' cannot both be set: the second is "
                "the newer name of the first.",
                code="invalid_value",
                param="max_tokens",
            )

    def wanted(self) -> list[GenerateRequest]:
        """One generation for each choice."""
        limit = self.max_tokens or self.max_completion_tokens
        prompt = Chat(messages=tuple(message.parsed() for message in self.messages))
        return [
            GenerateRequest(
                prompt=prompt,
                sampling=self.sampling(choice),
                max_tokens=limit,
                stop=self.stops,
            )
            for choice in range(self.n or 1)
        ]
