"""What an upstream's refusals and failures mean for a client of ours.

The bodies of errors come in several shapes: the official one, `{"detail": …}` of FastAPI, the flat
one of vLLM and SGLang, and `{"error": "text"}` of Ollama.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import msgspec

from openedai.errors import (
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

_LONGEST = 2000  # characters of a message that are passed on
_OVERFLOWS = ("context_length_exceeded", "exceed_context_size_error")
_REFUSED = frozenset({400, 404, 405, 409, 413, 415, 422})


class ReplicaFailed(Exception):
    """One replica could not serve a request. `error` is for the client, if no other can.

    `down`: it is not to be asked again until it has answered a check.
    """

    def __init__(self, error: APIError, *, down: bool = True) -> None:
        super().__init__(error.message)
        self.error = error
        self.down = down


class Detail(msgspec.Struct):
    """What an error says of itself, in whatever shape it came."""

    message: str = ""
    code: str | None = None
    param: str | None = None
    type: str | None = None
    status: int | None = None
    limit: int | None = None
    tokens: int | None = None


def detail_of(value: Any) -> Detail:
    """Read the decoded body of an error, or what an event of a stream has as its error."""
    if isinstance(value, str):
        return Detail(message=value)
    if isinstance(value, list):
        return Detail(message="; ".join(filter(None, map(_validation_message, value))))
    if not isinstance(value, dict):
        return Detail()
    for key in ("error", "detail"):
        if value.get(key):
            return detail_of(value[key])
    code, status = value.get("code"), value.get("status")
    if isinstance(code, int):
        code, status = None, code
    return Detail(
        message=_text(value.get("message") or value.get("msg")) or "",
        code=_text(code),
        param=_text(value.get("param")),
        type=_text(value.get("type")),
        status=status if isinstance(status, int) else None,
        limit=_whole(value.get("n_ctx")),
        tokens=_whole(value.get("n_prompt_tokens")),
    )


def _validation_message(item: Any) -> str:
    """One of FastAPI's complaints."""
    if not isinstance(item, dict):
        return _text(item) or ""
    place = item.get("loc")
    where = ".".join(str(part) for part in place if part != "body") if place else ""
    said = _text(item.get("msg")) or ""
    return f"{where}: {said}" if where else said


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


@dataclass(frozen=True)
class Failures:
    """The words for what went wrong with the upstream of one model. `secrets` are never told."""

    model: str
    secrets: tuple[str, ...] = ()

    def of_answer(
        self, status: int, body: bytes, retry_after: str | None, param: str
    ) -> APIError | ReplicaFailed:
        """What an answer other than 200 means. A refusal of the request itself is an APIError,
        which no other replica would change.
        """
        try:
            detail = detail_of(msgspec.json.decode(body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            detail = Detail()
        return self._of_status(status, detail, _seconds(retry_after), param)

    def of_event(self, value: Any, param: str) -> APIError | ReplicaFailed:
        """What an error inside of a stream means."""
        detail = detail_of(value)
        status = detail.status or (400 if detail.type == "invalid_request_error" else 500)
        return self._of_status(status, detail, None, param)

    def _of_status(
        self, status: int, detail: Detail, seconds: float | None, param: str
    ) -> APIError | ReplicaFailed:
        if status in (401, 403):
            return ReplicaFailed(
                BadGateway(f"{self._upstream} refused this server's key (status {status})."),
                down=False,
            )
        if status == 429:
            said = self._said(detail) or f"{self._upstream} has too many requests."
            code = detail.code or "rate_limit_exceeded"
            return ReplicaFailed(RateLimited(said, code=code, retry_after=seconds), down=False)
        if status in _REFUSED:
            return self._refusal(status, detail, param)
        said = f"{self._upstream} failed (status {status})"
        said = f"{said}: {self._said(detail)}" if detail.message else f"{said}."
        if status in (503, 529):
            return ReplicaFailed(Unavailable(said, retry_after=seconds))
        return ReplicaFailed(BadGateway(said), down=status >= 500)

    def _refusal(self, status: int, detail: Detail, param: str) -> APIError:
        said = self._said(detail) or f"{self._upstream} refused the request (status {status})."
        if _is_overflow(detail):
            if detail.limit and detail.tokens:
                return ContextLengthExceeded(detail.limit, detail.tokens, param=param)
            code = "context_length_exceeded"
            return InvalidRequest(said, code=code, param=detail.param or param)
        kind = {404: NotFound, 413: PayloadTooLarge}.get(status, InvalidRequest)
        if kind is InvalidRequest and (detail.code or "").startswith("unsupported_"):
            kind = Unsupported
        return kind(said, code=detail.code, param=detail.param)

    def broken(self, what: str) -> ReplicaFailed:
        """An answer that is none."""
        return ReplicaFailed(BadGateway(f"{self._upstream} {what}."))

    def unreachable(self) -> ReplicaFailed:
        return ReplicaFailed(Unavailable(f"{self._upstream} cannot be reached."))

    def silent(self, seconds: float) -> ReplicaFailed:
        return ReplicaFailed(
            Unavailable(f"{self._upstream} did not begin its answer within {seconds:g} seconds.")
        )

    @property
    def _upstream(self) -> str:
        return f"The upstream of the model `{self.model}`"

    def _said(self, detail: Detail) -> str:
        said = detail.message[:_LONGEST]
        for secret in self.secrets:
            said = said.replace(secret, "…")
        return said


def _is_overflow(detail: Detail) -> bool:
    """vLLM and SGLang have no code for it, only words that stay the same."""
    return (
        detail.code in _OVERFLOWS
        or detail.type in _OVERFLOWS
        or "context length" in detail.message.lower()
    )


def _seconds(header: str | None) -> float | None:
    """Of the two forms that the header may have, the one that is a number."""
    try:
        seconds = float(header or "")
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and 0 <= seconds < 1e6 else None
