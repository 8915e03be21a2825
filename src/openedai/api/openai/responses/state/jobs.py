"""What the job of a response in the background is given."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import msgspec

from openedai.api.openai.responses.types import ResponseRequest
from openedai.identity import Identity
from openedai.serving.call import Call


def job_input(call: Call[ResponseRequest], *, once: bool) -> dict[str, Any]:
    """What a job needs to make the response to a call.

    It is made `once` if the server runs tools for it: a call could have been made before.
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
    """That of the key that the job was made with, with the rights that it had then.

    Older servers kept only the owner.
    """
    kept = job.get("identity")
    return Identity(project=owner) if kept is None else msgspec.convert(kept, Identity)
