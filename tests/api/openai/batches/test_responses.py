"""Batches of `/v1/responses`: whole responses, which are kept for whoever made the batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from openai import NotFoundError, OpenAI
from openai.types.responses import Response

from tests.api.openai.batches.making import ended, line, lines_of, start
from tests.support import Running, ServerThread, echo_settings

RESPONSES: Final = "/v1/responses"
SHELL = {"type": "shell"}
USER = {"role": "user", "content": "x"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    settings = echo_settings(data=tmp_path, api_keys=("mine-0123456789", "other-0123456789"))
    with ServerThread(settings) as running:
        yield running


@pytest.fixture
def mine(server: Running) -> Iterator[OpenAI]:
    with server.client(api_key="mine-0123456789") as client:
        yield client


@pytest.fixture
def other(server: Running) -> Iterator[OpenAI]:
    with server.client(api_key="other-0123456789") as client:
        yield client


def request(custom_id: str, **body: Any) -> dict[str, Any]:
    return line(custom_id, RESPONSES, **{"model": "echo", "input": custom_id, **body})


def answers(client: OpenAI, *lines: Any) -> dict[str, Response]:
    """The responses by `custom_id`, each checked against the official type."""
    batch = ended(client, start(client, lines, endpoint=RESPONSES))
    assert (batch.status, batch.error_file_id) == ("completed", None)
    found = {}
    for one in lines_of(client, batch.output_file_id):
        assert one["response"]["status_code"] == 200
        assert one["error"] is None
        found[one["custom_id"]] = Response.model_validate(one["response"]["body"])
    assert batch.usage is not None
    assert batch.usage.total_tokens == sum(
        response.usage.total_tokens for response in found.values() if response.usage is not None
    )
    return found


def test_whole_responses(mine: OpenAI) -> None:
    found = answers(
        mine,
        request("text"),
        request("items", input=[{"role": "user", "content": "one two"}], metadata={"a": "b"}),
        request("short", input="one two three", max_output_tokens=2),
        request("tool", tools=[SHELL], tool_choice="required"),
        request("json", text={"format": {"type": "json_schema", "name": "s", "schema": SCHEMA}}),
        request(
            "trigger", input=[{"role": "user", "content": "x"}, {"type": "compaction_trigger"}]
        ),
    )
    assert list(found) == ["text", "items", "short", "tool", "json", "trigger"]
    assert (found["text"].status, found["text"].output_text) == ("completed", "text")
    assert (found["items"].output_text, found["items"].metadata) == ("one two", {"a": "b"})
    assert found["short"].status == "incomplete"
    assert [item.type for item in found["tool"].output] == ["shell_call"]
    assert [item.type for item in found["trigger"].output] == ["compaction"]
    assert not any(response.background for response in found.values())


def test_they_are_kept_for_who_made_the_batch(mine: OpenAI, other: OpenAI) -> None:
    found = answers(mine, request("one"), request("two"), request("gone", store=False))
    kept = mine.responses.retrieve(found["one"].id)
    assert kept.to_dict() == found["one"].to_dict()
    (item,) = mine.responses.input_items.list(kept.id).data
    assert item.type == "message"
    after = mine.responses.create(model="reveal", input="on", previous_response_id=kept.id)
    assert all(word in after.output_text for word in ('"one"', '"on"'))
    for client, id in ((other, kept.id), (mine, found["gone"].id)):
        with pytest.raises(NotFoundError):
            client.responses.retrieve(id)
        with pytest.raises(NotFoundError):
            client.responses.create(model="echo", input="on", previous_response_id=id)
    mine.responses.delete(kept.id)
    with pytest.raises(NotFoundError):
        mine.responses.retrieve(kept.id)


def test_a_batch_continues_responses_of_its_owner_only(mine: OpenAI, other: OpenAI) -> None:
    first = mine.responses.create(model="echo", input="first")
    (found,) = answers(mine, request("second", previous_response_id=first.id)).values()
    assert found.previous_response_id == first.id
    lines = [request("second", previous_response_id=first.id)]
    batch = ended(other, start(other, lines, endpoint=RESPONSES))
    (error,) = lines_of(other, batch.error_file_id)
    assert error["response"]["status_code"] == 404
    assert error["response"]["body"]["error"]["param"] == "previous_response_id"


@pytest.mark.parametrize("name", ["stream", "background"])
def test_what_a_batch_does_itself_is_refused(mine: OpenAI, name: str) -> None:
    lines = [request("a"), request("b", **{name: True}), request("c", **{name: False})]
    batch = ended(mine, start(mine, lines, endpoint=RESPONSES))
    assert batch.status == "failed"
    assert batch.errors is not None
    assert batch.errors.data is not None
    (error,) = batch.errors.data
    assert (error.code, error.param, error.line) == ("unsupported_value", f"body.{name}", 2)
