"""The input of the job that makes a response in the background."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import msgspec

from openedai.api.openai.responses.types import ResponseRequest
from openedai.identity import Identity
from openedai.serving.call import Call


def job_input(call: Call[ResponseRequest], *, once: bool) -> dict[str, Any]:
    """What a job needs to make the response to a call.

    It is made only `once` if the server runs tools for it: a second attempt could repeat a call.
    """
    body = call.body.model_dump(exclude_unset=True, by_alias=True)
    return {
        "body": body,
        "extra": call.body.extra,
        "caller": call.caller,
        "identity": asdict(call.exchange.identity),
        "once": once,
    }


def identity_of(job: dict[str, Any], owner: str) -> Identity:
    """The identity of the key that the job was made with, with the rights that it had then.

    Older servers stored only the owner.
    """
    kept = job.get("identity")
    return Identity(project=owner) if kept is None else msgspec.convert(kept, Identity)
