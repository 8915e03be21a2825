"""`/v1/batches` by the official client."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from openedai.config import ModelSpec
from tests.api.openai.batches.making import CHAT, ended, line, lines_of, start, until, upload
from tests.support import ECHO_MODELS, Running, ServerThread, echo_settings, occupancy, wait_until

MODELS = (
    *ECHO_MODELS,
    ModelSpec(id="endless", engine="echo", options={"slots": 2, "delay": 3600}),
    ModelSpec(id="voice", engine="hibari"),
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with ServerThread(echo_settings(data=tmp_path, models=MODELS)) as running:
        yield running


@pytest.fixture
def batches(server: Running) -> Iterator[OpenAI]:
    with server.client() as client:
        yield client


def test_a_batch_from_its_making_to_its_end(batches: OpenAI) -> None:
    before = int(time.time())
    requests = [line(f"nümber {number}") for number in range(25)]
    requests.insert(3, line("wrong", temperature=9))
    made = start(batches, requests, metadata={"for": "a test"})
    assert made.id.startswith("batch_")
    assert (made.object, made.status, made.endpoint) == ("batch", "validating", CHAT)
    assert made.completion_window == "24h"
    assert made.expires_at is not None
    assert made.expires_at - made.created_at == 86400
    batch = ended(batches, made)
    assert (batch.status, batch.model, batch.metadata) == ("completed", "echo", {"for": "a test"})
    assert batch.request_counts is not None
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (26, 25, 1)
    times = [made.created_at, batch.in_progress_at, batch.finalizing_at, batch.completed_at]
    assert all(value is not None for value in times)
    assert before <= made.created_at <= (batch.completed_at or 0) <= time.time()
    assert [batch.errors, batch.failed_at, batch.expired_at, batch.cancelled_at] == [None] * 4
    answers = lines_of(batches, batch.output_file_id)
    assert [one["custom_id"] for one in answers] == [f"nümber {number}" for number in range(25)]
    assert len({one["id"] for one in answers}) == 25
    assert batch.usage is not None
    tokens = 0
    for answer in answers:
        assert answer["id"].startswith("batch_req_")
        assert answer["error"] is None
        assert answer["response"]["status_code"] == 200
        assert answer["response"]["request_id"].startswith("req_")
        body = answer["response"]["body"]
        assert body["choices"][0]["message"]["content"] == f"this is {answer['custom_id']}"
        tokens += body["usage"]["total_tokens"]
    assert batch.usage.total_tokens == tokens > 0
    (error,) = lines_of(batches, batch.error_file_id)
    assert (error["custom_id"], error["error"]) == ("wrong", None)
    assert error["response"]["status_code"] == 400
    assert error["response"]["body"]["error"]["param"] == "temperature"
    output = batches.files.retrieve(batch.output_file_id or "")
    assert (output.purpose, output.filename) == ("batch_output", f"{batch.id}_output.jsonl")
    assert output.expires_at is None


@pytest.mark.parametrize(
    ("url", "body", "check"),
    [
        ("/v1/completions", {"model": "echo", "prompt": "hi"}, "choices"),
        ("/v1/embeddings", {"model": "echo", "input": "hi"}, "data"),
        ("/v1/tokenize", {"model": "echo", "prompt": "hi"}, "tokens"),
        ("/v1/decisions", {"model": "echo"}, "error"),
        ("/v1/images/generations", {"model": "echo", "prompt": "hi"}, "data"),
        ("/v1/audio/speech", {"model": "voice", "input": "hi", "voice": "alloy"}, "data"),
        (
            "/v1/messages",
            {"model": "echo", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]},
            "content",
        ),
    ],
)
def test_every_endpoint(batches: OpenAI, url: Any, body: dict[str, Any], check: str) -> None:
    batch = ended(batches, start(batches, [line("a", url, **body)], endpoint=url))
    (answer,) = lines_of(batches, batch.output_file_id or batch.error_file_id)
    assert check in answer["response"]["body"]
    assert (batch.output_file_id is None) == (check == "error")


BAD_LINES: list[tuple[Any, str, str | None]] = [
    ("{", "invalid_json_line", None),
    ('"text"', "invalid_json_line", None),
    ('{"custom_id": "\udcff"}', "invalid_json_line", None),
    ({**line(), "custom_id": None}, "missing_required_parameter", "custom_id"),
    (line(7), "invalid_type", "custom_id"),
    (line(""), "invalid_type", "custom_id"),
    ({**line("b"), "method": "GET"}, "invalid_value", "method"),
    ({**line("c"), "url": "/v1/embeddings"}, "url_mismatch", "url"),
    ({"custom_id": "d", "method": "POST", "url": CHAT}, "missing_required_parameter", "body"),
    ({**line("e"), "body": [1]}, "invalid_type", "body"),
    (line("f", model=3), "invalid_type", "body.model"),
    (line("g", stream=True), "unsupported_value", "body.stream"),
    (line("h", model="reveal"), "model_mismatch", "body.model"),
    (line("first"), "duplicate_custom_id", "custom_id"),
]


def test_lines_that_are_not_valid(batches: OpenAI) -> None:
    """Line 2 is empty, which is no error."""
    made = start(batches, [line("first"), "", *(text for text, _, _ in BAD_LINES)])
    batch = ended(batches, made)
    assert (batch.status, batch.output_file_id, batch.in_progress_at) == ("failed", None, None)
    assert batch.failed_at is not None
    assert batch.errors is not None
    assert batch.errors.object == "list"
    found = [(one.line, one.code, one.param) for one in batch.errors.data or []]
    assert found == [(at, code, param) for at, (_, code, param) in enumerate(BAD_LINES, 3)]
    assert all(one.message for one in batch.errors.data or [])


@pytest.mark.parametrize(
    ("lines", "code"), [([""], "empty_file"), ([line(model="unknown")], "model_not_found")]
)
def test_files_that_are_not_valid(batches: OpenAI, lines: list[Any], code: str) -> None:
    batch = ended(batches, start(batches, lines))
    assert batch.errors is not None
    assert [one.code for one in batch.errors.data or []] == [code]


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"endpoint": "/v1/files"}, "endpoint"),
        ({"completion_window": "48h"}, "completion_window"),
        ({"input_file_id": "file-1"}, "input_file_id"),
        ({"metadata": {"a": "b" * 600}}, "metadata.a"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 1}}, None),
        ({"extra_body": {"priority": 1}}, "priority"),
    ],
)
def test_what_is_refused(batches: OpenAI, options: dict[str, Any], param: str | None) -> None:
    given = {
        "input_file_id": upload(batches, [line()]),
        "endpoint": CHAT,
        "completion_window": "24h",
        **options,
    }
    with pytest.raises(BadRequestError) as refusal:
        batches.batches.create(**given)
    assert refusal.value.param == (param or "output_expires_after.seconds")
    assert not batches.batches.list().data


def test_a_file_of_another_purpose_is_refused(batches: OpenAI) -> None:
    file = upload(batches, [line()], "user_data")
    with pytest.raises(BadRequestError, match="purpose"):
        batches.batches.create(input_file_id=file, endpoint=CHAT, completion_window="24h")


def test_the_list_in_pages(batches: OpenAI) -> None:
    ids = [start(batches, [line()]).id for _ in range(5)]
    assert [one.id for one in batches.batches.list()] == ids[::-1]
    first = batches.batches.list(limit=2)
    assert ([one.id for one in first.data], first.has_more) == (ids[:2:-1], True)
    assert [one.id for one in batches.batches.list(limit=2)] == ids[::-1]
    assert [one.id for one in batches.batches.list(after=ids[1]).data] == [ids[0]]


def test_a_batch_that_does_not_exist(batches: OpenAI) -> None:
    for call in (batches.batches.retrieve, batches.batches.cancel):
        with pytest.raises(NotFoundError):
            call("batch_1")


def test_a_cancelled_batch_keeps_what_is_answered(server: Running, batches: OpenAI) -> None:
    lines = [line("good"), *(line(f"slow {n}", model="endless") for n in range(20))]
    lines[0]["body"]["model"] = "endless"
    lines[0]["body"]["temperature"] = 9
    made = start(batches, lines)
    until(batches, made.id, lambda one: bool(one.request_counts and one.request_counts.failed))
    wait_until(lambda: occupancy(server, "endless")[0] == 2)
    asked = batches.batches.cancel(made.id)
    assert asked.status == "cancelling"
    assert asked.cancelling_at is not None
    batch = ended(batches, made)
    assert (batch.status, batch.output_file_id) == ("cancelled", None)
    assert batch.cancelled_at is not None
    assert batch.request_counts is not None
    assert batch.request_counts.failed == 1
    errors = lines_of(batches, batch.error_file_id)
    assert errors[0]["response"]["status_code"] == 400
    assert [one["custom_id"] for one in errors[1:]] == [f"slow {n}" for n in range(20)]
    assert {one["error"]["code"] for one in errors[1:]} == {"batch_cancelled"}
    assert occupancy(server, "endless") == (0, 0)
    assert batches.batches.cancel(made.id).status == "cancelled"


def test_a_batch_that_has_ended_is_not_cancelled(batches: OpenAI) -> None:
    batch = ended(batches, start(batches, [line()]))
    with pytest.raises(BadRequestError, match="completed"):
        batches.batches.cancel(batch.id)


def test_output_files_expire_as_requested(batches: OpenAI) -> None:
    expiry: Any = {"anchor": "created_at", "seconds": 3600}
    batch = ended(batches, start(batches, [line()], output_expires_after=expiry))
    output = batches.files.retrieve(batch.output_file_id or "")
    assert output.expires_at == output.created_at + 3600


def test_requests_of_clients_go_first(server: Running, batches: OpenAI) -> None:
    made = start(batches, [line(f"slow {n}", model="endless") for n in range(50)])
    wait_until(lambda: occupancy(server, "endless")[0] == 2)
    error = None
    try:
        batches.chat.completions.create(
            model="endless", messages=[{"role": "user", "content": "x"}], timeout=0.5
        )
    except Exception as raised:
        error = raised
    assert type(error).__name__ == "APITimeoutError"
    batches.batches.cancel(made.id)
    assert ended(batches, made).status == "cancelled"


def test_a_deleted_input_file_ends_the_batch(server: Running, batches: OpenAI) -> None:
    file = upload(batches, [line(f"slow {n}", model="endless") for n in range(9)])
    made = batches.batches.create(input_file_id=file, endpoint=CHAT, completion_window="24h")
    wait_until(lambda: occupancy(server, "endless")[0] == 2)
    batches.files.delete(file)
    batches.batches.cancel(made.id)
    batch = ended(batches, made)
    assert (batch.status, batch.error_file_id) == ("cancelled", None)
