"""Whether an answer has the form that it must have. What it says is the model's business."""

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
    """The answer is not as it must be; the message says how, and shows it."""


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Choice:
    """One choice, folded from its chunks or read whole. `calls` are names and arguments."""

    text: str = ""
    calls: list[list[str]] = field(default_factory=list)
    logprobs: int = 0
    finish: str | None = None


@dataclass
class Fold:
    """What a 200 said, whichever way it came."""

    choices: dict[int, Choice]
    usage: Mapping[str, Any]


def judge(request: Request, answer: Answer) -> None:
    """Raises Malformed."""
    try:
        _require(answer.headers.get("x-request-id", "").startswith("req_"), "no x-request-id")
        if request.refusal is not None:
            _check_refusal(request.refusal, answer)
            return
        _require(answer.status == 200, f"status {answer.status}")
        fold = _streamed if request.asked.get("stream") else _whole
        _check_fold(request.asked, fold(request.path, answer))
    except (ValueError, LookupError, TypeError, AttributeError, Malformed) as error:
        why = str(error) or type(error).__name__
        raise Malformed(f"{request.kind}: {why}: {_excerpt(answer.body)!r}") from error


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


def _whole(path: str, answer: Answer) -> Fold:
    _types(path)[0].model_validate_json(answer.body, strict=True)
    found = json.loads(answer.body)
    fold = Fold({}, found["usage"])
    for choice in found["choices"]:
        _require(choice["index"] not in fold.choices, "an index twice")
        _add(fold.choices.setdefault(choice["index"], Choice()), choice, choice.get("message", {}))
    return fold


def _streamed(path: str, answer: Answer) -> Fold:
    _require(answer.headers["content-type"].startswith("text/event-stream"), "no event stream")
    *chunks, last = _chunks(path, answer.body)
    same = {(chunk["id"], chunk["created"], chunk["model"]) for chunk in (*chunks, last)}
    _require(len(same) == 1, "chunks of different ids, times or models")
    _require(last["choices"] == [], "the last chunk is not that of the usage")
    _require(not any(chunk.get("usage") for chunk in chunks), "usage before the last chunk")
    fold = Fold({}, last["usage"])
    for chunk in chunks:
        for piece in chunk["choices"]:
            delta = piece.get("delta", {})
            if piece["index"] not in fold.choices:
                _require(path != CHAT or delta.get("role") == "assistant", "no role at first")
            choice = fold.choices.setdefault(piece["index"], Choice())
            _require(choice.finish is None, "a piece behind the finish_reason")
            _add(choice, piece, delta)
    return fold


def _chunks(path: str, body: bytes) -> list[dict[str, Any]]:
    *frames, done, rest = body.decode().split("\n\n")
    _require((done, rest) == ("data: [DONE]", ""), "a stream that does not end with [DONE]")
    _require(all(frame.startswith("data: ") for frame in frames), "a frame that is not data")
    chunks: list[dict[str, Any]] = [json.loads(frame.removeprefix("data: ")) for frame in frames]
    for chunk in chunks:
        _types(path)[1].model_validate_json(_typed(path, chunk), strict=True)
    return chunks


def _typed(path: str, chunk: dict[str, Any]) -> str:
    """The chunk as the SDK's type has it.

    That of completions knows no null as `finish_reason`, which the API itself sends.
    """
    if path == CHAT or "choices" not in chunk:
        return json.dumps(chunk)
    choices = [{**one, "finish_reason": one["finish_reason"] or "stop"} for one in chunk["choices"]]
    return json.dumps({**chunk, "choices": choices})


def _add(choice: Choice, piece: Mapping[str, Any], said: Mapping[str, Any]) -> None:
    """Add a whole choice or a piece of it; `said` is its message or delta."""
    choice.text += piece.get("text") or said.get("content") or ""
    for place, call in enumerate(said.get("tool_calls") or ()):
        _add_call(choice.calls, call.get("index", place), call["function"])
    found = piece.get("logprobs") or {}
    choice.logprobs += len(found.get("content") or found.get("tokens") or ())
    choice.finish = piece["finish_reason"]


def _add_call(calls: list[list[str]], index: int, function: Mapping[str, str]) -> None:
    if index == len(calls):
        calls.append([function["name"], ""])
    calls[index][1] += function.get("arguments") or ""


def _check_fold(asked: Mapping[str, Any], fold: Fold) -> None:
    choices = list(fold.choices.values())
    wanted = asked.get("n", 1)
    _require(sorted(fold.choices) == list(range(wanted)), f"the choices {sorted(fold.choices)}")
    for choice in choices:
        _check_choice(asked, choice)
    _check_usage(asked["max_tokens"], choices, fold.usage)


def _check_choice(asked: Mapping[str, Any], choice: Choice) -> None:
    finishes = {"tool_calls", "length"} if "tools" in asked else {"stop", "length"}
    _require(choice.finish in finishes, f"the finish_reason {choice.finish}")
    for stop in asked.get("stop", ()):
        _require(stop not in choice.text, "text behind a stop")
    if asked.get("logprobs") and choice.text:
        _require(choice.logprobs > 0, "no logprobs")
    if "response_format" in asked and choice.finish == "stop":
        _check_object(choice.text)
    if choice.finish == "tool_calls":
        _require(bool(choice.calls), "no call")
        for name, arguments in choice.calls:
            _require(name == NAME, f"a call of {name}")
            _require(isinstance(json.loads(arguments), dict), "arguments that are no object")


def _check_object(text: str) -> None:
    said = json.loads(text)
    _require(sorted(said) == ["colour", "old"], "keys that the schema does not have")
    _require(said["colour"] in ("red", "green", "blue"), "a value that the enum does not have")
    _require(isinstance(said["old"], bool), "a value that is no boolean")


def _check_usage(limit: int, choices: Sequence[Choice], usage: Mapping[str, Any]) -> None:
    prompt, completion = usage["prompt_tokens"], usage["completion_tokens"]
    _require(prompt > 0, "no tokens of the prompt")
    _require(usage["total_tokens"] == prompt + completion, "usage that does not add up")
    cut = sum(choice.finish == "length" for choice in choices)
    _require(cut * limit <= completion <= len(choices) * limit, f"{completion} tokens")


def _excerpt(body: bytes) -> bytes:
    return body if len(body) < 800 else body[:300] + b" ... " + body[-500:]


def _require(fine: bool, otherwise: str) -> None:
    if not fine:
        raise Malformed(otherwise)
