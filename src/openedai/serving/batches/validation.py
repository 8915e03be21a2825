"""Checks whether the lines of an input file are requests that one batch can have."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from openedai.store.batches import LineError

MAX_LINES = 50_000
VERSION = "/v1"  # clients of Azure leave it out
_RESPONSES = "/v1/responses"
_MAX_ERRORS = 100
_SHOWN = 100  # characters of a client's text in a message


class Line(msgspec.Struct):
    """One line as a client may write it. Other members are ignored."""

    custom_id: Any = None
    method: Any = None
    url: Any = None
    body: msgspec.Raw = msgspec.Raw()


class _Body(msgspec.Struct):
    model: Any = None
    stream: Any = None
    background: Any = None


read_line = msgspec.json.Decoder(Line).decode
_read_body = msgspec.json.Decoder(_Body).decode


class Validator:
    """`endpoint` is the batch's. `model` is that of the first line that names one, `lines` how many
    there are.
    """

    def __init__(self, endpoint: str) -> None:
        self.errors: list[LineError] = []
        self.lines = 0
        self.model: str | None = None
        self._endpoint = endpoint
        self._ids: dict[bytes, int] = {}

    @property
    def full(self) -> bool:
        """Whether reading on would gain nothing."""
        return len(self.errors) >= _MAX_ERRORS or self.lines > MAX_LINES

    def add(self, number: int, line: bytes | None) -> None:
        """Check one line; None is one that is too long."""
        self.lines += 1
        if self.lines > MAX_LINES:
            text = f"The file has more than {MAX_LINES} requests, which is the maximum."
            self.errors.append(LineError("too_many_tasks", text, None, number))
        elif (error := self._error(number, line)) is not None:
            error.line = number
            self.errors.append(error)

    def end(self) -> None:
        """Check what only the whole file can show."""
        if self.lines == 0:
            self.errors.append(LineError("empty_file", "The file has no requests."))

    def _error(self, number: int, line: bytes | None) -> LineError | None:
        if line is None:
            return LineError("request_too_large", "This line is longer than a request may be.")
        try:
            line.decode()
            request = read_line(line)
        except msgspec.ValidationError:
            return LineError("invalid_json_line", "This line is not a JSON object.")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return LineError("invalid_json_line", "This line is not parseable as valid JSON.")
        return (
            self._id_error(number, request.custom_id)
            or self._target_error(request)
            or self._body_error(request.body)
        )

    def _id_error(self, number: int, custom_id: Any) -> LineError | None:
        if custom_id is None:
            return _missing("custom_id")
        if not isinstance(custom_id, str) or not custom_id:
            return _wrong_type("custom_id", "a string that is not empty")
        digest = hashlib.blake2b(custom_id.encode("utf-8", "surrogatepass"), digest_size=16)
        first = self._ids.setdefault(digest.digest(), number)
        if first != number:
            text = f"The custom_id '{custom_id[:_SHOWN]}' is that of line {first} too."
            return LineError("duplicate_custom_id", text, "custom_id")
        return None

    def _target_error(self, request: Line) -> LineError | None:
        if request.method is None:
            return _missing("method")
        if request.method != "POST":
            return LineError("invalid_value", "Only the method 'POST' is supported.", "method")
        if request.url is None:
            return _missing("url")
        if request.url not in (self._endpoint, self._endpoint.removeprefix(VERSION)):
            text = f"The URL is not the endpoint of the batch, '{self._endpoint}'."
            return LineError("url_mismatch", text, "url")
        return None

    def _body_error(self, raw: msgspec.Raw) -> LineError | None:
        if not bytes(raw):
            return _missing("body")
        try:
            body = _read_body(raw)
        except msgspec.ValidationError:
            return _wrong_type("body", "an object")
        if body.stream not in (None, False):
            text = "Answers of a batch cannot be streamed."
            return LineError("unsupported_value", text, "body.stream")
        if self._endpoint == _RESPONSES and body.background not in (None, False):
            text = "A batch is in the background already, and waits for its answers."
            return LineError("unsupported_value", text, "body.background")
        if body.model is not None and not isinstance(body.model, str):
            return _wrong_type("body.model", "a string")
        if self.model is None:
            self.model = body.model
        if body.model not in (None, self.model):
            text = "All requests of a batch must be for the same model."
            return LineError("model_mismatch", text, "body.model")
        return None


def _missing(param: str) -> LineError:
    return LineError("missing_required_parameter", f"Missing required parameter: '{param}'.", param)


def _wrong_type(param: str, expected: str) -> LineError:
    return LineError("invalid_type", f"Invalid type for '{param}': expected {expected}.", param)
