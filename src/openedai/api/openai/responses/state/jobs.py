"""What the job of a response in the background is given."""

from __future__ import annotations

from typing import Any

from openedai.api.openai.responses.types import ResponseRequest
from openedai.serving.call import Call


def job_input(call: Call[ResponseRequest], *, once: bool) -> dict[str, Any]:
    """What a job needs to make the response to a call.

    It is made `once` if the server runs tools for it: a call could have been made before.
    """
    body = call.body.model_dump(exclude_unset=True, by_alias=True)
    return {"body": body, "extra": call.body.extra, "caller": call.caller, "once": once}
