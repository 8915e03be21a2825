"""The answer to a line as a line of the output file or of the error file."""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from openedai.http.server.in_process import Answer
from openedai.store.batches import Result, Tokens
from openedai.store.ids import ordered_id

_JSON = "application/json"


class _Details(msgspec.Struct):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    """The usage in an answer, under the names that the endpoints give it."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None


class _Answered(msgspec.Struct):
    usage: _Usage | None = None


_encode = msgspec.json.Encoder().encode
_read_usage = msgspec.json.Decoder(_Answered).decode


def answered(line: int, custom_id: str, answer: Answer) -> Result:
    """The result of a line that was performed."""
    response = {
        "status_code": answer.status,
        "request_id": answer.request_id,
        "body": _body(answer),
    }
    return _result(line, custom_id, response, None, succeeded=answer.status < 400)


def unanswered(line: int, custom_id: str, code: str, message: str) -> Result:
    """The result of a line that was not performed."""
    error = {"code": code, "message": message}
    return _result(line, custom_id, None, error, succeeded=False)


def add_usage(tokens: Tokens, answer: Answer) -> None:
    """Count the tokens of an answer."""
    if answer.media_type != _JSON or b'"usage"' not in answer.body:
        return
    try:
        usage = _read_usage(answer.body).usage
    except (msgspec.DecodeError, UnicodeDecodeError):  # that has a shape of its own
        return
    if usage is None:
        return
    read, written = usage.prompt_tokens_details, usage.completion_tokens_details
    read, written = read or usage.input_tokens_details, written or usage.output_tokens_details
    inputs = usage.prompt_tokens or usage.input_tokens
    outputs = usage.completion_tokens or usage.output_tokens
    tokens.input += inputs
    tokens.output += outputs
    tokens.cached += (read and read.cached_tokens) or 0
    tokens.reasoning += (written and written.reasoning_tokens) or 0
    tokens.total += usage.total_tokens or inputs + outputs


def _result(line: int, custom_id: str, response: Any, error: Any, *, succeeded: bool) -> Result:
    value = {
        "id": ordered_id("batch_req_"),
        "custom_id": custom_id,
        "response": response,
        "error": error,
    }
    return Result(line, succeeded, _encode(value).decode())


def _body(answer: Answer) -> Any:
    """JSON as it is, text as a string, and a file, such as speech, in base64."""
    if answer.media_type == _JSON:
        one_line = b"\n" not in answer.body
        return msgspec.Raw(answer.body) if one_line else msgspec.json.decode(answer.body)
    if answer.media_type.startswith("text/"):
        return answer.body.decode("utf-8", "replace")
    return {"media_type": answer.media_type, "data": base64.b64encode(answer.body).decode()}
