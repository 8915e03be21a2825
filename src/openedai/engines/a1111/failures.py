"""What the errors of a web UI mean. It has several shapes: `{"error", "detail", "body", "errors"}`
for exceptions, FastAPI's `{"detail"}` otherwise.
"""

from __future__ import annotations

from typing import Any

import msgspec

from openedai.engines.remote.failures import Failures, ReplicaFailed, detail_of
from openedai.errors import APIError, BadGateway, InvalidRequest, Unavailable

_LONGEST = 300  # characters of its messages that are passed on


class WebUIFailures(Failures):
    """Makes the errors for one model."""

    def of_answer(
        self, status: int, body: bytes, retry_after: str | None, param: str
    ) -> APIError | ReplicaFailed:
        value = _decoded(body)
        if status in (401, 403):
            message = f"{self.name} refused this server's user or password (status {status})."
            return ReplicaFailed(BadGateway(message), down=False)
        if "OutOfMemory" in str(value.get("error")) or "out of memory" in str(value.get("errors")):
            message = f"{self.name} ran out of memory. A smaller image may fit."
            return ReplicaFailed(BadGateway(message), down=False)
        if status in (502, 503, 504):
            message = f"{self.name} cannot be used now (status {status})."
            return ReplicaFailed(Unavailable(message))
        if status >= 500:
            return ReplicaFailed(BadGateway(f"{self.name} failed (status {status})."), down=False)
        detail = value.get("detail")
        if status == 404 and detail == "Not Found":
            message = f"{self.name} has no such API. The web UI must be started with `--api`."
            return ReplicaFailed(BadGateway(message), down=False)
        if status in (400, 404, 422):
            return self._refused(detail, param)
        return ReplicaFailed(BadGateway(f"{self.name} failed (status {status})."), down=False)

    def _refused(self, detail: Any, param: str) -> APIError:
        message = detail_of(detail).message[:_LONGEST]
        if "sampler" in message.lower():
            param = "sampler"
        message = f": {message}" if message else "."
        return InvalidRequest(
            f"{self.name} refused the request{message}", code="invalid_value", param=param
        )


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
