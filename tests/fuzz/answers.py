"""What must hold for every answer, whatever the request was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.fuzz.cases import Case

# A model cannot be unloaded while others use it: the only failure that is right here.
_RIGHT_FAILURES = frozenset({"model_in_use"})
_JSON = "application/json"


class Fault(Exception):
    """An answer that no request should get."""


def check_answers(case: Case, raw: bytes) -> None:
    """Raises Fault for bytes that are not well-formed answers, or not what they should be."""
    if not raw:
        if case.path is not None:
            raise Fault("the connection was closed without an answer")
        return
    for status, headers, body in _answers(raw, is_head=case.method == "HEAD"):
        media_type = headers.get("content-type", "")
        known = case.path is not None and "x-request-id" in headers
        if status >= 400:
            _check_error(case, status, headers, body, known=known)
        elif media_type == _JSON:
            _json(body, empty=case.method == "HEAD")
        elif "event-stream" in media_type:
            _check_events(case, body)
        elif "ndjson" in media_type:
            _check_lines(body)


def _answers(raw: bytes, *, is_head: bool) -> Iterator[tuple[int, dict[str, str], bytes]]:
    """Every answer on the connection: status, headers with lower-case names, body."""
    while raw:
        head, end, raw = raw.partition(b"\r\n\r\n")
        start, *lines = head.decode("latin-1").split("\r\n")
        version, _, rest = start.partition(" ")
        if version != "HTTP/1.1" or not end:
            raise Fault(f"not an answer: {start[:80]!r}")
        status = int(rest[:3])
        headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines)}
        if status == 100:
            continue
        if is_head or status in (204, 304):
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            body, raw = _unchunked(raw)
        else:
            length = int(headers.get("content-length", len(raw)))
            body, raw = raw[:length], raw[length:]
            if len(body) != length:
                raise Fault("the body is shorter than its content-length")
        yield status, headers, body


def _unchunked(raw: bytes) -> tuple[bytes, bytes]:
    """The body in the chunks, and what follows it."""
    chunks: list[bytes] = []
    at = 0
    while True:
        end = raw.find(b"\r\n", at)
        if end < 0:
            raise Fault("the answer broke off")
        size = int(raw[at:end], 16)
        at = end + 2 + size + 2
        if not size:
            return b"".join(chunks), raw[at:]
        chunks.append(raw[end + 2 : at - 2])


def _json(text: bytes, *, empty: bool = False) -> Any:
    try:
        return None if empty and not text else json.loads(text, parse_constant=_no_json)
    except ValueError as error:
        raise Fault(f"no JSON ({error}): {text[:200]!r}") from None


def _no_json(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _check_error(
    case: Case, status: int, headers: dict[str, str], body: bytes, *, known: bool
) -> None:
    if case.method == "HEAD":
        if status >= 500:
            raise Fault(f"status {status}")
        return
    if headers.get("content-type") != _JSON:
        raise Fault(f"status {status} is {headers.get('content-type')}: {body[:200]!r}")
    value = _json(body)
    if status >= 500 and value.get("error", {}).get("code") not in _RIGHT_FAILURES:
        raise Fault(f"status {status}: {body[:300]!r}")
    if status == 405 and "allow" not in headers:
        raise Fault("405 without Allow")
    if not any(_has_shape(value, one) for one in ([_dialect(case)] if known else _SHAPES)):
        raise Fault(f"status {status}, not the error of its API: {body[:300]!r}")


def _dialect(case: Case) -> str:
    path = (case.path or "").partition("?")[0]
    if path.startswith("/api/"):
        return "ollama"
    if path == "/v1/messages" or path.startswith("/v1/messages/"):
        return "anthropic"
    listed = path == "/v1/models" or path.startswith("/v1/models/")
    return "anthropic" if case.anthropic and listed else "openai"


_SHAPES = ("openai", "anthropic", "ollama")


def _has_shape(value: Any, dialect: str) -> bool:
    if not isinstance(value, dict):
        return False
    error = value.get("error")
    if dialect == "ollama":
        return set(value) == {"error"} and isinstance(error, str) and bool(error)
    if not isinstance(error, dict):
        return False
    texts = {name: one for name, one in error.items() if one is not None}
    if not all(isinstance(one, str) for one in texts.values()) or not error.get("message"):
        return False
    if dialect == "anthropic":
        ours = {"type", "error", "request_id"} == set(value) and value["type"] == "error"
        return ours and set(error) == {"type", "message"}
    return set(value) == {"error"} and set(error) == {"message", "type", "param", "code"}


def _check_events(case: Case, body: bytes) -> None:
    """Server-sent events, to the end of the answer or a right error in it."""
    *events, rest = body.split(b"\n\n")
    if rest or not events:
        raise Fault(f"the stream broke off: {body[-200:]!r}")
    datas = []
    for event in events:
        if event.startswith(b":"):  # a comment
            continue
        fields = dict(line.split(b": ", 1) for line in event.split(b"\n"))
        datas.append(fields[b"data"])
    values = [_json(data) for data in datas if data != b"[DONE]"]
    for value in values:
        if value.get("type") in ("error", "response.failed"):
            _check_failed_response(value)
        elif "error" in value and value["error"] is not None:
            _check_streamed_error(value, _dialect(case))
            return
    if not datas:
        raise Fault(f"the stream has no event: {body[:200]!r}")
    ended = datas[-1] == b"[DONE]" or str(values[-1].get("type", "")).endswith(
        ("_stop", ".done", ".completed", ".incomplete", ".failed")
    )
    if not ended:
        raise Fault(f"the stream has no end: {datas[-1][:200]!r}")


def _check_failed_response(event: Any) -> None:
    """The events `error` and `response.failed`: only for what the request was."""
    error = event if event["type"] == "error" else event["response"]["error"]
    if error["code"] == "server_error" or not error["message"]:
        raise Fault(f"a failed response: {str(error)[:300]}")


def _check_lines(body: bytes) -> None:
    values = [_json(line) for line in body.splitlines()]
    for value in values:
        if "error" in value:
            _check_streamed_error(value, "ollama")
            return
    if not (values[-1].get("done") or values[-1].get("status")):
        raise Fault(f"the stream has no end: {body[-200:]!r}")


def _check_streamed_error(value: Any, dialect: str) -> None:
    failed = "server_error" in str(value) or "api_error" in str(value)
    if failed or not _has_shape(value, dialect):
        raise Fault(f"an error in a stream: {str(value)[:300]}")
