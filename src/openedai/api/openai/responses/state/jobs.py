"""The input of the job that makes a response in the background."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import msgspec

from openedai.api.openai.responses.input.served import McpServerTool
from openedai.api.openai.responses.types import ResponseRequest
from openedai.identity import Identity
from openedai.serving.call import Call

# The fields of a request's tools that are never stored, by the tools' indexes.
Credentials = dict[int, dict[str, Any]]


def job_input(call: Call[ResponseRequest], *, once: bool) -> dict[str, Any]:
    """What a job needs to make the response to a call.

    It is made only `once` if the server runs tools for it: a second attempt could repeat a call. It
    is `private` if tools have credentials, which are not in it.
    """
    body = call.body.model_dump(exclude_unset=True, by_alias=True)
    return {
        "body": body,
        "extra": call.body.extra,
        "caller": call.caller,
        "identity": asdict(call.exchange.identity),
        "once": once,
        "private": credentials(call) is not None,
    }


def credentials(call: Call[ResponseRequest]) -> Credentials | None:
    """Those of MCP servers, which are never stored; None if there are none."""
    found = {
        index: {"headers": tool.headers, "authorization": tool.authorization}
        for index, tool in enumerate(call.body.tools or ())
        if isinstance(tool, McpServerTool) and tool.sent_headers()
    }
    return found or None


def with_credentials(body: dict[str, Any], given: Credentials | None) -> dict[str, Any]:
    """A body as it was sent."""
    if not given:
        return body
    return {
        **body,
        "tools": [{**tool, **given.get(index, {})} for index, tool in enumerate(body["tools"])],
    }


def identity_of(job: dict[str, Any], owner: str) -> Identity:
    """The identity of the key that the job was made with, with the rights that it had then.

    Older servers stored only the owner.
    """
    kept = job.get("identity")
    return Identity(project=owner) if kept is None else msgspec.convert(kept, Identity)
