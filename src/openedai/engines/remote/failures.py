"""Turns the refusals and failures of another server into errors for clients.

The bodies of errors come in several shapes: the official one, `{"detail": …}` of FastAPI, the flat
one of vLLM and SGLang, and `{"error": "text"}` of Ollama.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import msgspec

from openedai.errors import (
    PARAM,
    APIError,
    BadGateway,
    ContextLengthExceeded,
    InvalidRequest,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    Unavailable,
    Unsupported,
)

_MAX_MESSAGE = 2000  # characters
_OVERFLOWS = ("context_length_exceeded", "exceed_context_size_error")
_REFUSED = frozenset({400, 404, 405, 409, 413, 415, 422})


class ReplicaFailed(Exception):
    """One replica could not serve a request. `error` is for the client, if no other replica can.

    With `down` the replica gets no requests until it has answered a health check.
    """

    def __init__(self, error: APIError, *, down: bool = True) -> None:
        super().__init__(error.message)
        self.error = error
        self.down = down


class Unreachable(ReplicaFailed):
    """Nothing listens at the address of the replica."""


class ErrorDetail(msgspec.Struct):
    """The fields of an error, whatever its shape was. `limit` and `tokens` are about the
    context.
    """

    message: str = ""
    code: str | None = None
    param: str | None = None
    type: str | None = None
    status: int | None = None
    limit: int | None = None
    tokens: int | None = None


def detail_of(value: Any) -> ErrorDetail:
    """Read the decoded body of an error, or the error in an event of a stream."""
    if isinstance(value, str):
        return ErrorDetail(message=value)
    if isinstance(value, list):
        return ErrorDetail(message="; ".join(filter(None, map(_validation_message, value))))
    if not isinstance(value, dict):
        return ErrorDetail()
    for key in ("error", "detail"):
        if value.get(key):
            return detail_of(value[key])
    code, status = value.get("code"), value.get("status")
    if isinstance(code, int):
        code, status = None, code
    return ErrorDetail(
        message=_text(value.get("message") or value.get("msg")) or "",
        code=_text(code),
        param=_text(value.get("param")),
        type=_text(value.get("type")),
        status=status if isinstance(status, int) else None,
        limit=_int(value.get("n_ctx")),
        tokens=_int(value.get("n_prompt_tokens")),
    )


def _validation_message(item: Any) -> str:
    """The message of one of FastAPI's validation errors."""
    if not isinstance(item, dict):
        return _text(item) or ""
    location = item.get("loc")
    name = ".".join(str(part) for part in location if part != "body") if location else ""
    message = _text(item.get("msg")) or ""
    return f"{name}: {message}" if name else message


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _int(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


@dataclass(frozen=True)
class Failures:
    """Makes the errors for one model's server. Their messages never contain `secrets`, and begin
    with `server`.
    """

    model: str
    secrets: tuple[str, ...] = ()
    server: str = "The upstream"

    def of_answer(
        self, status: int, body: bytes, retry_after: str | None, param: str
    ) -> APIError | ReplicaFailed:
        """The error for an answer with a status other than 200. It is an APIError where the request
        itself was refused: another replica would refuse it too.
        """
        try:
            detail = detail_of(msgspec.json.decode(body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            detail = ErrorDetail()
        return self._of_status(status, detail, _seconds(retry_after), param)

    def of_event(self, value: Any, param: str) -> APIError | ReplicaFailed:
        """The error for an error inside a stream."""
        detail = detail_of(value)
        status = detail.status or (400 if detail.type == "invalid_request_error" else 500)
        return self._of_status(status, detail, None, param)

    def _of_status(
        self, status: int, detail: ErrorDetail, seconds: float | None, param: str
    ) -> APIError | ReplicaFailed:
        if status in (401, 403):
            return ReplicaFailed(
                BadGateway(f"{self.name} refused this server's key (status {status})."),
                down=False,
            )
        if status == 429:
            message = self._message(detail) or f"{self.name} has too many requests."
            code = detail.code or "rate_limit_exceeded"
            return ReplicaFailed(RateLimited(message, code=code, retry_after=seconds), down=False)
        if status in _REFUSED:
            return self._refusal(status, detail, param)
        message = f"{self.name} failed (status {status})"
        message = f"{message}: {self._message(detail)}" if detail.message else f"{message}."
        if status in (503, 529):
            return ReplicaFailed(Unavailable(message, retry_after=seconds))
        return ReplicaFailed(BadGateway(message), down=status >= 500)

    def _refusal(self, status: int, detail: ErrorDetail, param: str) -> APIError:
        message = self._message(detail) or f"{self.name} refused the request (status {status})."
        if _is_overflow(detail):
            if detail.limit and detail.tokens:
                return ContextLengthExceeded.by_tokens(detail.limit, detail.tokens, param=param)
            return ContextLengthExceeded(message, param=detail.param or param)
        if status in (404, 405) and _names_nothing(detail):
            return Unsupported(
                f"{self.name} cannot do that: it has no such endpoint.",
                code="unsupported_model",
                param="model",
            )
        error = {404: NotFound, 413: PayloadTooLarge}.get(status, InvalidRequest)
        if error is InvalidRequest and (detail.code or "").startswith("unsupported_"):
            error = Unsupported
        return error(_template(message, detail.param), code=detail.code, param=detail.param)

    def broken(self, what: str) -> ReplicaFailed:
        """The error for an answer that cannot be used. `what` is what the upstream did, as the end
        of a sentence.
        """
        return ReplicaFailed(BadGateway(f"{self.name} {what}."))

    def unreachable(self) -> Unreachable:
        return Unreachable(Unavailable(f"{self.name} cannot be reached."))

    def timed_out(self, seconds: float) -> ReplicaFailed:
        return ReplicaFailed(
            Unavailable(f"{self.name} did not begin its answer within {seconds:g} seconds.")
        )

    @property
    def name(self) -> str:
        return f"{self.server} of the model `{self.model}`"

    def _message(self, detail: ErrorDetail) -> str:
        message = detail.message[:_MAX_MESSAGE]
        for secret in self.secrets:
            message = message.replace(secret, "…")
        return message


def _template(message: str, param: str | None) -> str:
    """An upstream's message, with PARAM in place of the quoted name of the parameter."""
    return message if param is None else message.replace(f"'{param}'", f"'{PARAM}'")


def _names_nothing(detail: ErrorDetail) -> bool:
    """Whether it is the error of a web framework, which says nothing about the request."""
    words = detail.message.lower().strip(" .")
    return not (detail.code or detail.param) and words in ("", "not found", "method not allowed")


def _is_overflow(detail: ErrorDetail) -> bool:
    """vLLM and SGLang have no code for it, only a constant phrase in the message."""
    return (
        detail.code in _OVERFLOWS
        or detail.type in _OVERFLOWS
        or "context length" in detail.message.lower()
    )


def _seconds(header: str | None) -> float | None:
    """The number of seconds in a `retry-after` header; None if it has a date or nothing usable."""
    try:
        seconds = float(header or "")
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and 0 <= seconds < 1e6 else None
