"""What the errors of ComfyUI mean."""

from __future__ import annotations

from typing import Any

import msgspec

from openedai.engines.remote.failures import Failures, ReplicaFailed
from openedai.errors import APIError, BadGateway, Unavailable

_LONGEST = 300  # characters of its messages that are passed on


class Refused(Exception):
    """ComfyUI refused a workflow. `inputs` are the nodes and inputs that are wrong."""

    def __init__(self, details: str, inputs: frozenset[tuple[str, str]]) -> None:
        super().__init__(details)
        self.details = details[:_LONGEST]
        self.inputs = inputs


class ComfyFailures(Failures):
    """Makes the errors for one model."""

    def of_answer(
        self, status: int, body: bytes, retry_after: str | None, param: str
    ) -> APIError | ReplicaFailed:
        if status in (502, 503, 504):
            message = f"{self.name} cannot be used now (status {status})."
            return ReplicaFailed(Unavailable(message))
        if status in (401, 403):
            message = f"{self.name} refused this server's key (status {status})."
            return ReplicaFailed(BadGateway(message), down=False)
        return ReplicaFailed(BadGateway(f"{self.name} failed (status {status})."), down=False)

    def of_run(self, messages: list[Any]) -> APIError | ReplicaFailed:
        """The error of a workflow that failed while it ran, from the messages of its history."""
        for name, data in (one for one in messages if isinstance(one, list) and len(one) == 2):
            if name == "execution_interrupted":
                return BadGateway(f"{self.name} was interrupted before there was an image.")
            if name == "execution_error" and isinstance(data, dict):
                text = f"{data.get('exception_type')} {data.get('exception_message')}".lower()
                if "outofmemory" in text or "out of memory" in text:
                    return self._failed("ran out of memory. A smaller image may fit.")
                return self._failed(f"failed in a node `{data.get('node_type')}`.")
        return self._failed("failed.")

    def _failed(self, what: str) -> ReplicaFailed:
        return ReplicaFailed(BadGateway(f"{self.name} {what}"), down=False)


def refusal(body: bytes) -> Refused:
    """What ComfyUI says about a workflow that it does not run."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = None
    if not isinstance(value, dict):
        return Refused("", frozenset())
    error, inputs = value.get("error"), set()
    nodes = value.get("node_errors")
    for number, node in nodes.items() if isinstance(nodes, dict) else ():
        for problem in node.get("errors", ()) if isinstance(node, dict) else ():
            extra = problem.get("extra_info") or {}
            inputs.add((number, str(extra.get("input_name", ""))))
    if not isinstance(error, dict):
        return Refused(error if isinstance(error, str) else "", frozenset(inputs))
    details = ". ".join(filter(None, (error.get("message"), error.get("details"))))
    return Refused(details, frozenset(inputs))
