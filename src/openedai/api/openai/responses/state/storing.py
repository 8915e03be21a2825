"""Stores responses when they have ended."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from openedai.api.openai.responses.output.objects import OutputItem, Response
from openedai.api.openai.responses.prepare import Prepared
from openedai.api.openai.responses.render import Keep
from openedai.api.openai.responses.state.items import stored_items
from openedai.api.openai.responses.types import ResponseRequest
from openedai.errors import APIError
from openedai.http.body import add_warning
from openedai.serving.call import Call
from openedai.serving.responses.keeping import ResponseKeeping
from openedai.store.conversations.responses import Status, StoredResponse

log = logging.getLogger("openedai.api")

_NO_OUTPUT = b'"output":[],'


def storing(call: Call[ResponseRequest], prepared: Prepared, keeping: ResponseKeeping) -> Keep:
    """What stores the response to a call. A response that cannot be stored is sent all the same."""

    async def store(response: Response) -> None:
        try:
            await keeping.keep(stored_response(response, call, prepared, keeping))
        except APIError as error:
            log.error("%s could not be stored: %s", response.id, error.message)
            add_warning(call.headers, f"the response was not stored: {error.message}")

    return store


def stored_response(
    response: Response,
    call: Call[ResponseRequest],
    prepared: Prepared,
    keeping: ResponseKeeping,
) -> StoredResponse:
    """A response as it is stored, with the items of its own input."""
    body = call.body
    own = prepared.items[len(prepared.items) - len(body.items()) :]
    sent: list[dict[str, Any]] = [
        item.model_dump(exclude_unset=True, by_alias=True) for item in own
    ]
    text, output = split_response(response, prepared.builder.kept_items)
    kept = stored_items(_with_own_ids(sent))
    return StoredResponse(
        id=response.id,
        owner=call.exchange.owner,
        created_at=response.created_at,
        expires_at=keeping.expiry(response.created_at),
        status=cast("Status", response.status),
        background=int(bool(body.background)),
        streamed=int(bool(body.background and body.stream)),
        previous=body.previous_response_id,
        conversation=body.conversation_id,
        response=text,
        output=output,
        input=f"[{','.join(item.json for item in kept)}]",
        hidden=",".join(body.left_out()) if prepared.tools.any_served else "",
    )


def _with_own_ids(items: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The items, where an item gets a new id if an earlier one has the same."""
    seen = set[str]()
    for item in items:
        id = item.get("id")
        yield {**item, "id": None} if id in seen else item
        if id is not None:
            seen.add(id)


def split_response(response: Response, kept: Sequence[OutputItem]) -> tuple[str, str]:
    """The response without its output, and its output as it is stored, in JSON."""
    rest = msgspec.json.encode(replace(response, output=()))
    # No field before it contains an object.
    text = rest.replace(_NO_OUTPUT, b"", 1).decode()
    return text, msgspec.json.encode(kept).decode()
