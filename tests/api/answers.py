"""Answers of the text endpoints through the official client, the same whole and streamed.

Each answer is checked against the client's own types, strictly, and a stream against the rules of
streams.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from openai import BadRequestError, OpenAI
from openai.types import Completion, CompletionUsage
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.chat_completion import Choice
from openai.types.chat.chat_completion_chunk import Choice as ChunkChoice
from openai.types.chat.chat_completion_chunk import ChoiceDelta
from openai.types.completion_choice import CompletionChoice

USAGE = {"stream": True, "stream_options": {"include_usage": True}}


@dataclass
class ChatResult:
    """One choice. `calls` have (name, arguments), those of the older functions too; `logprobs`
    (token, log probability, alternatives by token).
    """

    text: str = ""
    reasoning: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    logprobs: list[tuple[str, float, dict[str, float]]] | None = None
    reason: str | None = None


@dataclass
class Answer:
    choices: list[ChatResult]
    usage: CompletionUsage

    @property
    def only(self) -> ChatResult:
        (choice,) = self.choices
        return choice

    @property
    def reasoning_tokens(self) -> int:
        details = self.usage.completion_tokens_details
        assert details is not None
        assert details.reasoning_tokens is not None
        return details.reasoning_tokens


def chat(client: OpenAI, stream: bool, **body: Any) -> Answer:
    """A chat completion. A text as `messages` is one message of the user."""
    body = {"model": "echo", **body}
    if isinstance(body["messages"], str):
        body["messages"] = [{"role": "user", "content": body["messages"]}]
    create: Any = client.chat.completions.create
    if stream:
        return _folded(create(**body, **USAGE))
    answer = create(**body)
    ChatCompletion.model_validate(answer.to_dict(), strict=True)
    return Answer([_whole(choice) for choice in answer.choices], answer.usage)


def _whole(choice: Choice) -> ChatResult:
    message = choice.message
    result = ChatResult(
        text=message.content or "",
        reasoning=getattr(message, "reasoning_content", ""),
        reason=choice.finish_reason,
    )
    for call in message.tool_calls or ():
        assert call.type == "function"
        result.calls.append((call.function.name, call.function.arguments))
        result.ids.append(call.id)
    if message.function_call:
        result.calls.append((message.function_call.name, message.function_call.arguments))
    if choice.logprobs:
        result.logprobs = _logprobs(choice.logprobs)
    return result


def _folded(chunks: Iterable[ChatCompletionChunk]) -> Answer:
    choices: dict[int, ChatResult] = {}
    usage = None
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk.to_dict(), strict=True)
        assert usage is None
        usage = chunk.usage
        assert (usage is None) == bool(chunk.choices)
        for choice in chunk.choices:
            assert (choice.delta.role == "assistant") == (choice.index not in choices)
            _add(choices.setdefault(choice.index, ChatResult()), choice)
    assert usage is not None
    return Answer([choices[index] for index in range(len(choices))], usage)


def _add(result: ChatResult, choice: ChunkChoice) -> None:
    assert result.reason is None, "the reason comes last"
    result.reason = choice.finish_reason
    result.text += choice.delta.content or ""
    result.reasoning += getattr(choice.delta, "reasoning_content", "")
    _add_calls(result, choice.delta)
    if choice.logprobs:
        result.logprobs = (result.logprobs or []) + _logprobs(choice.logprobs)
    if result.reason:
        assert choice.delta.to_dict() == {}


def _add_calls(result: ChatResult, delta: ChoiceDelta) -> None:
    for part in delta.tool_calls or ():
        assert part.function is not None
        if part.id:
            assert (part.index, part.type) == (len(result.calls), "function")
            assert part.function.name
            result.ids.append(part.id)
        else:
            assert part.index == len(result.calls) - 1
        _add_call(result, part.function.name, part.function.arguments)
    if delta.function_call:
        _add_call(result, delta.function_call.name, delta.function_call.arguments)


def _add_call(result: ChatResult, name: str | None, arguments: str | None) -> None:
    if name:
        result.calls.append((name, arguments or ""))
    else:
        result.calls[-1] = (result.calls[-1][0], result.calls[-1][1] + (arguments or ""))


def _logprobs(logprobs: Any) -> list[tuple[str, float, dict[str, float]]]:
    for token in logprobs.content:
        assert bytes(token.bytes).decode("utf-8", "replace") == token.token
    return [
        (token.token, token.logprob, {other.token: other.logprob for other in token.top_logprobs})
        for token in logprobs.content
    ]


@dataclass
class CompletionResult:
    """One choice of the older completions; the log probabilities as four lists by name."""

    text: str = ""
    logprobs: dict[str, list[Any] | None] | None = None
    reason: str | None = None


def complete(client: OpenAI, stream: bool, **body: Any) -> list[CompletionResult]:
    """The choices of a completion."""
    create: Any = client.completions.create
    body = {"model": "echo", **body}
    parts: list[Completion] = list(create(**body, **USAGE)) if stream else [create(**body)]
    choices: dict[int, CompletionResult] = {}
    for part in parts:
        Completion.model_validate(_without_nulls(part.to_dict()), strict=True)
        for choice in part.choices:
            _add_chunk(choices.setdefault(choice.index, CompletionResult()), choice)
    assert parts[-1].usage is not None
    return [choices[index] for index in range(len(choices))]


def _add_chunk(result: CompletionResult, part: CompletionChoice) -> None:
    assert result.reason is None, "the reason comes last"
    result.text += part.text
    result.reason = part.finish_reason
    if part.logprobs:
        new: dict[str, Any] = {**part.logprobs.to_dict()}
        old = result.logprobs or {name: None if new[name] is None else [] for name in new}
        result.logprobs = {
            name: None if items is None else [*(old[name] or ()), *items]
            for name, items in new.items()
        }


def _without_nulls(body: dict[str, Any]) -> dict[str, Any]:
    """The body with placeholders for nulls that the client's types lack: the finish reason of a
    stream's chunks, and the log probabilities of a prompt's first token.
    """
    for choice in body["choices"]:
        choice["finish_reason"] = choice["finish_reason"] or "stop"
        for name in ("token_logprobs", "top_logprobs"):
            if (choice["logprobs"] or {}).get(name):
                placeholder: Any = 0.0 if name == "token_logprobs" else {}
                items = choice["logprobs"][name]
                choice["logprobs"][name] = [placeholder if one is None else one for one in items]
    return body


def refusal(
    client: OpenAI, path: str = "/chat/completions", **body: Any
) -> tuple[str | None, str | None]:
    """The code and param of the 400 that this body gets, whole or streamed."""
    if path == "/chat/completions":
        body = {"messages": [{"role": "user", "content": "one two"}], **body}
    found = set()
    for stream in (False, True):
        with pytest.raises(BadRequestError) as caught:
            client.post(path, body={"model": "echo", **body, "stream": stream}, cast_to=object)
        assert caught.value.type == "invalid_request_error"
        assert caught.value.message
        found.add((caught.value.code, caught.value.param))
    ((code, param),) = found
    return code, param
