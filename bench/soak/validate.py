"""Checks the format of answers: status, headers, schema, stream, usage. Not the generated text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.soak.mix import CHAT, NAME, Refusal, Request

if TYPE_CHECKING:
    from pydantic import BaseModel

ERROR_KEYS = {"message", "type", "param", "code"}


class Malformed(Exception):
    """An invalid answer; the message has the reason and an excerpt."""


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class FoldedChoice:
    """A choice, whole or joined from its chunks. `calls` has the name and arguments of each."""

    text: str = ""
    calls: list[list[str]] = field(default_factory=list)
    logprobs: int = 0
    finish: str | None = None


@dataclass
class FoldedAnswer:
    """The choices and usage of a 200, streamed or whole."""

    choices: dict[int, FoldedChoice]
    usage: Mapping[str, Any]


def validate(request: Request, answer: Answer) -> None:
    """Raises Malformed if it is not a valid answer to the request."""
    try:
        _require(answer.headers.get("x-request-id", "").startswith("req_"), "no x-request-id")
        if request.refusal is not None:
            _check_refusal(request.refusal, answer)
            return
        _require(answer.status == 200, f"status {answer.status}")
        fold = _fold_stream if request.parameters.get("stream") else _fold_whole
        _check_answer(request.parameters, fold(request.path, answer))
    except (ValueError, LookupError, TypeError, AttributeError, Malformed) as error:
        reason = str(error) or type(error).__name__
        raise Malformed(f"{request.kind}: {reason}: {_excerpt(answer.body)!r}") from error


def _check_refusal(refusal: Refusal, answer: Answer) -> None:
    _require(answer.status == refusal.status, f"status {answer.status}, not {refusal.status}")
    _require(answer.headers["content-type"] == "application/json", "an error that is not JSON")
    error = json.loads(answer.body)["error"]
    _require(set(error) == ERROR_KEYS, f"the error has the keys {sorted(error)}")
    _require(bool(error["message"]), "an error without a message")
    _require(error["type"] == "invalid_request_error", f"the type {error['type']}")
    _require(error["code"] == refusal.code, f"the code {error['code']}, not {refusal.code}")


def _types(path: str) -> tuple[type[BaseModel], type[BaseModel]]:
    """The SDK's types of a whole answer and of a chunk."""
    from openai.types import Completion
    from openai.types.chat import ChatCompletion, ChatCompletionChunk

    return (ChatCompletion, ChatCompletionChunk) if path == CHAT else (Completion, Completion)


def _fold_whole(path: str, answer: Answer) -> FoldedAnswer:
    _types(path)[0].model_validate_json(answer.body, strict=True)
    found = json.loads(answer.body)
    fold = FoldedAnswer({}, found["usage"])
    for choice in found["choices"]:
        _require(choice["index"] not in fold.choices, "an index twice")
        _add_part(
            fold.choices.setdefault(choice["index"], FoldedChoice()),
            choice,
            choice.get("message", {}),
        )
    return fold


def _fold_stream(path: str, answer: Answer) -> FoldedAnswer:
    _require(answer.headers["content-type"].startswith("text/event-stream"), "no event stream")
    *chunks, last = _chunks(path, answer.body)
    same = {(chunk["id"], chunk["created"], chunk["model"]) for chunk in (*chunks, last)}
    _require(len(same) == 1, "chunks of different ids, times or models")
    _require(last["choices"] == [], "the last chunk is not that of the usage")
    _require(not any(chunk.get("usage") for chunk in chunks), "usage before the last chunk")
    fold = FoldedAnswer({}, last["usage"])
    for chunk in chunks:
        for part in chunk["choices"]:
            delta = part.get("delta", {})
            if part["index"] not in fold.choices:
                _require(path != CHAT or delta.get("role") == "assistant", "no role at first")
            choice = fold.choices.setdefault(part["index"], FoldedChoice())
            _require(choice.finish is None, "a chunk after the finish_reason")
            _add_part(choice, part, delta)
    return fold


def _chunks(path: str, body: bytes) -> list[dict[str, Any]]:
    *frames, done, rest = body.decode().split("\n\n")
    _require((done, rest) == ("data: [DONE]", ""), "a stream that does not end with [DONE]")
    _require(all(frame.startswith("data: ") for frame in frames), "a frame that is not data")
    chunks: list[dict[str, Any]] = [json.loads(frame.removeprefix("data: ")) for frame in frames]
    for chunk in chunks:
        _types(path)[1].model_validate_json(_as_sdk_type(path, chunk), strict=True)
    return chunks


def _as_sdk_type(path: str, chunk: dict[str, Any]) -> str:
    """The chunk as JSON that fits the SDK's type.

    The type of completions does not allow null as `finish_reason`, which the API itself sends.
    """
    if path == CHAT or "choices" not in chunk:
        return json.dumps(chunk)
    choices = [{**one, "finish_reason": one["finish_reason"] or "stop"} for one in chunk["choices"]]
    return json.dumps({**chunk, "choices": choices})


def _add_part(choice: FoldedChoice, part: Mapping[str, Any], message: Mapping[str, Any]) -> None:
    """Add a whole choice or a chunk of one; `message` is its message or delta."""
    choice.text += part.get("text") or message.get("content") or ""
    for position, call in enumerate(message.get("tool_calls") or ()):
        _add_call(choice.calls, call.get("index", position), call["function"])
    found = part.get("logprobs") or {}
    choice.logprobs += len(found.get("content") or found.get("tokens") or ())
    choice.finish = part["finish_reason"]


def _add_call(calls: list[list[str]], index: int, function: Mapping[str, str]) -> None:
    if index == len(calls):
        calls.append([function["name"], ""])
    calls[index][1] += function.get("arguments") or ""


def _check_answer(parameters: Mapping[str, Any], fold: FoldedAnswer) -> None:
    choices = list(fold.choices.values())
    count = parameters.get("n", 1)
    _require(sorted(fold.choices) == list(range(count)), f"the choices {sorted(fold.choices)}")
    for choice in choices:
        _check_choice(parameters, choice)
    _check_usage(parameters["max_tokens"], choices, fold.usage)


def _check_choice(parameters: Mapping[str, Any], choice: FoldedChoice) -> None:
    finishes = {"tool_calls", "length"} if "tools" in parameters else {"stop", "length"}
    _require(choice.finish in finishes, f"the finish_reason {choice.finish}")
    for stop in parameters.get("stop", ()):
        _require(stop not in choice.text, "text after a stop")
    if parameters.get("logprobs") and choice.text:
        _require(choice.logprobs > 0, "no logprobs")
    if "response_format" in parameters and choice.finish == "stop":
        _check_object(choice.text)
    if choice.finish == "tool_calls":
        _require(bool(choice.calls), "no call")
        for name, arguments in choice.calls:
            _require(name == NAME, f"a call of {name}")
            _require(isinstance(json.loads(arguments), dict), "arguments that are no object")


def _check_object(text: str) -> None:
    message = json.loads(text)
    _require(sorted(message) == ["colour", "old"], "keys that the schema does not have")
    _require(message["colour"] in ("red", "green", "blue"), "a value that the enum does not have")
    _require(isinstance(message["old"], bool), "a value that is no boolean")


def _check_usage(limit: int, choices: Sequence[FoldedChoice], usage: Mapping[str, Any]) -> None:
    prompt, completion = usage["prompt_tokens"], usage["completion_tokens"]
    _require(prompt > 0, "no tokens of the prompt")
    _require(usage["total_tokens"] == prompt + completion, "usage that does not add up")
    cut = sum(choice.finish == "length" for choice in choices)
    _require(cut * limit <= completion <= len(choices) * limit, f"{completion} tokens")


def _excerpt(body: bytes) -> bytes:
    return body if len(body) < 800 else body[:300] + b" ... " + body[-500:]


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise Malformed(message)
