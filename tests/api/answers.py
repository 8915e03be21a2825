"""Answers of the text endpoints through the official client, the same whole and streamed.

Each is checked against the client's own types, strictly, and a stream against the rules of
streams. What is left is what an answer says.
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
class Said:
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
    choices: list[Said]
    usage: CompletionUsage

    @property
    def only(self) -> Said:
        (choice,) = self.choices
        return choice

    @property
    def reasoning_tokens(self) -> int:
        details = self.usage.completion_tokens_details
        assert details is not None
        assert details.reasoning_tokens is not None
        return details.reasoning_tokens


def chat(client: OpenAI, stream: bool, **body: Any) -> Answer:
    """Ask for a chat completion. A text as `messages` is what the user says."""
    body = {"model": "echo", **body}
    if isinstance(body["messages"], str):
        body["messages"] = [{"role": "user", "content": body["messages"]}]
    create: Any = client.chat.completions.create
    if stream:
        return _folded(create(**body, **USAGE))
    answer = create(**body)
    ChatCompletion.model_validate(answer.to_dict(), strict=True)
    return Answer([_whole(choice) for choice in answer.choices], answer.usage)


def _whole(choice: Choice) -> Said:
    message = choice.message
    said = Said(
        text=message.content or "",
        reasoning=getattr(message, "reasoning_content", ""),
        reason=choice.finish_reason,
    )
    for call in message.tool_calls or ():
        assert call.type == "function"
        said.calls.append((call.function.name, call.function.arguments))
        said.ids.append(call.id)
    if message.function_call:
        said.calls.append((message.function_call.name, message.function_call.arguments))
    if choice.logprobs:
        said.logprobs = _logprobs(choice.logprobs)
    return said


def _folded(chunks: Iterable[ChatCompletionChunk]) -> Answer:
    choices: dict[int, Said] = {}
    usage = None
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk.to_dict(), strict=True)
        assert usage is None
        usage = chunk.usage
        assert (usage is None) == bool(chunk.choices)
        for choice in chunk.choices:
            assert (choice.delta.role == "assistant") == (choice.index not in choices)
            _add(choices.setdefault(choice.index, Said()), choice)
    assert usage is not None
    return Answer([choices[index] for index in range(len(choices))], usage)


def _add(said: Said, choice: ChunkChoice) -> None:
    assert said.reason is None, "the reason comes last"
    said.reason = choice.finish_reason
    said.text += choice.delta.content or ""
    said.reasoning += getattr(choice.delta, "reasoning_content", "")
    _add_calls(said, choice.delta)
    if choice.logprobs:
        said.logprobs = (said.logprobs or []) + _logprobs(choice.logprobs)
    if said.reason:
        assert choice.delta.to_dict() == {}


def _add_calls(said: Said, delta: ChoiceDelta) -> None:
    for piece in delta.tool_calls or ():
        assert piece.function is not None
        if piece.id:
            assert (piece.index, piece.type) == (len(said.calls), "function")
            assert piece.function.name
            said.ids.append(piece.id)
        else:
            assert piece.index == len(said.calls) - 1
        _add_call(said, piece.function.name, piece.function.arguments)
    if delta.function_call:
        _add_call(said, delta.function_call.name, delta.function_call.arguments)


def _add_call(said: Said, name: str | None, arguments: str | None) -> None:
    if name:
        said.calls.append((name, arguments or ""))
    else:
        said.calls[-1] = (said.calls[-1][0], said.calls[-1][1] + (arguments or ""))


def _logprobs(logprobs: Any) -> list[tuple[str, float, dict[str, float]]]:
    for token in logprobs.content:
        assert bytes(token.bytes).decode("utf-8", "replace") == token.token
    return [
        (token.token, token.logprob, {other.token: other.logprob for other in token.top_logprobs})
        for token in logprobs.content
    ]


@dataclass
class Continuation:
    """One choice of the older completions; the log probabilities as four lists by name."""

    text: str = ""
    logprobs: dict[str, list[Any] | None] | None = None
    reason: str | None = None


def complete(client: OpenAI, stream: bool, **body: Any) -> list[Continuation]:
    """Ask for completions."""
    create: Any = client.completions.create
    body = {"model": "echo", **body}
    pieces: list[Completion] = list(create(**body, **USAGE)) if stream else [create(**body)]
    choices: dict[int, Continuation] = {}
    for piece in pieces:
        Completion.model_validate(_without_nulls(piece.to_dict()), strict=True)
        for choice in piece.choices:
            _continue(choices.setdefault(choice.index, Continuation()), choice)
    assert pieces[-1].usage is not None
    return [choices[index] for index in range(len(choices))]


def _continue(said: Continuation, piece: CompletionChoice) -> None:
    assert said.reason is None, "the reason comes last"
    said.text += piece.text
    said.reason = piece.finish_reason
    if piece.logprobs:
        new: dict[str, Any] = {**piece.logprobs.to_dict()}
        old = said.logprobs or {name: None if new[name] is None else [] for name in new}
        said.logprobs = {
            name: None if items is None else [*(old[name] or ()), *items]
            for name, items in new.items()
        }


def _without_nulls(body: dict[str, Any]) -> dict[str, Any]:
    """The client's types have no null where the API does: for the finish reason of a stream's
    pieces, and for what is not known of a prompt's first token.
    """
    for choice in body["choices"]:
        choice["finish_reason"] = choice["finish_reason"] or "stop"
        for name in ("token_logprobs", "top_logprobs"):
            if (choice["logprobs"] or {}).get(name):
                nothing: Any = 0.0 if name == "token_logprobs" else {}
                items = choice["logprobs"][name]
                choice["logprobs"][name] = [nothing if one is None else one for one in items]
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
