"""`/v1/responses` as a WebSocket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from openai import OpenAI
from openai.types.responses import ResponsesServerEvent
from pydantic import TypeAdapter
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.api.openai.responses.answers import ENDS, check_events
from tests.support import Running, ServerThread, echo_settings, fetch, occupancy, wait_until

_EVENTS: TypeAdapter[Any] = TypeAdapter(ResponsesServerEvent)


def url(server: Running) -> str:
    return f"ws://127.0.0.1:{server.port}/v1/responses"


@contextmanager
def connection(server: Running, **headers: str) -> Iterator[ClientConnection]:
    with connect(url(server), additional_headers=headers, close_timeout=1) as socket:
        yield socket


def receive(socket: ClientConnection) -> dict[str, Any]:
    event = json.loads(socket.recv(timeout=20))
    _EVENTS.validate_python(event)
    assert isinstance(event, dict)
    return event


def create(socket: ClientConnection, **body: Any) -> list[dict[str, Any]]:
    """The events of a response, or the one event of an error."""
    socket.send(json.dumps({"type": "response.create", "model": "echo", **body}))
    events = [receive(socket)]
    while events[-1]["type"] not in ENDS | {"error"}:
        events.append(receive(socket))
    return events


def text(events: list[dict[str, Any]]) -> str:
    response = check_events(events)
    return "".join(part["text"] for item in response["output"] for part in item["content"])


# The client uses its library in an older way.
@pytest.mark.filterwarnings("ignore:connect\\(\\) must be used:DeprecationWarning")
def test_the_official_client(client: OpenAI) -> None:
    with client.responses.connect() as socket:
        for words in ("Good morning", "Good night"):
            socket.send({"type": "response.create", "model": "echo", "input": words})
            events = []
            for event in socket:
                events.append(event)
                if event.type == "response.completed":
                    assert event.response.output_text == words
                    break
            assert [event.type for event in events][:2] == [
                "response.created",
                "response.in_progress",
            ]


def test_several_responses_in_turn(echo_server: Running) -> None:
    with connection(echo_server) as socket:
        assert text(create(socket, input="one two")) == "one two"
        assert text(create(socket, input="three")) == "three"


def test_messages_sent_ahead_are_answered_in_their_order(echo_server: Running) -> None:
    with connection(echo_server) as socket:
        for number in range(20):
            message = {"type": "response.create", "model": "echo", "input": f"n{number}"}
            socket.send(json.dumps(message))
        answers: list[str] = []
        while len(answers) < 20:
            if (event := receive(socket))["type"] == "response.completed":
                answers.append(event["response"]["output"][0]["content"][0]["text"])
        assert answers == [f"n{number}" for number in range(20)]


def test_a_response_is_continued_without_being_stored(echo_server: Running) -> None:
    with connection(echo_server) as socket:
        first = create(socket, input="one", store=False)[-1]["response"]
        second = create(
            socket, input="two", store=False, previous_response_id=first["id"], model="reveal"
        )
        messages = json.loads(text(second))["prompt"]["messages"]
        assert [message["content"] for message in messages] == ["one", "one", "two"]
        assert second[-1]["response"]["previous_response_id"] == first["id"]
    with connection(echo_server) as socket:
        (error,) = create(socket, input="two", previous_response_id=first["id"])
        assert (error["status"], error["error"]["code"]) == (404, "previous_response_not_found")
        assert error["error"]["param"] == "previous_response_id"
        assert text(create(socket, input="go on")) == "go on"


def test_a_failed_continuation_ends_what_it_continued(echo_server: Running) -> None:
    with connection(echo_server) as socket:
        first = create(socket, input="one", store=False)[-1]["response"]["id"]
        (error,) = create(socket, input="x", previous_response_id=first, nothing=1)
        assert error["error"]["code"] == "unknown_parameter"
        (error,) = create(socket, input="x", previous_response_id=first)
        assert error["error"]["code"] == "previous_response_not_found"


def test_a_failure_in_an_answer(echo_server: Running) -> None:
    with connection(echo_server) as socket:
        events = create(socket, model="fails-later", input="one two three four")
        assert check_events(events)["status"] == "failed"
        (error,) = create(socket, model="fails-first", input="one")
        assert (error["status"], error["error"]["type"]) == (500, "server_error")
        assert error["error"]["code"] == "server_error"
        assert text(create(socket, input="again")) == "again"


def test_an_answer_that_is_cancelled_on_the_server(echo_server: Running) -> None:
    """The connection stays, and its next message is answered."""
    activity = echo_server.app.state.services.activity
    body = {"type": "response.create", "model": "slow", "input": "one two", "store": False}
    with connection(echo_server) as socket:
        for _ in range(2):
            socket.send(json.dumps(body | {"stream_id": "a"}))
            while receive(socket)["type"] != "response.output_text.delta":
                pass
            (id,) = [one.id for one in activity.running() if one.model == "slow"]
            url = f"{echo_server.url}/console/api/requests/{id}/cancel"
            assert fetch(url, "POST").status == 200
            while (event := json.loads(socket.recv(timeout=20)))["type"] != "error":
                pass
            assert event["error"]["code"] == "request_cancelled"
            assert (event["status"], event["stream_id"]) == (403, "a")
        assert text(create(socket, input="again")) == "again"
    wait_until(lambda: occupancy(echo_server, "slow")[0] == 0)


def test_a_client_that_leaves_with_messages_waiting() -> None:
    with ServerThread(echo_settings()) as server:
        with connection(server) as socket:
            body = {"type": "response.create", "model": "slow", "input": "one two", "store": False}
            for _ in range(40):
                socket.send(json.dumps(body))
            while receive(socket)["type"] != "response.output_text.delta":
                pass
        ended = b'route="/v1/responses",status="101"} 1'
        wait_until(lambda: ended in fetch(f"{server.url}/metrics").body)
        assert occupancy(server, "slow")[0] == 0


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        ("no json", "invalid_request_error", None),
        ("[]", "invalid_type", None),
        ('{"type": "response.cancel"}', "invalid_value", "type"),
        ('{"type": "response.create", "input": "x"}', "missing_required_parameter", "model"),
        (
            '{"type": "response.create", "model": "echo", "input": "x", "stream": false}',
            "unsupported_parameter",
            "stream",
        ),
        ('{"type": "response.create", "model": "no", "input": "x"}', "model_not_found", "model"),
    ],
)
def test_messages_that_are_not_valid(
    echo_server: Running, message: str, code: str, param: str | None
) -> None:
    with connection(echo_server) as socket:
        socket.send(message)
        error = receive(socket)
        assert error["type"] == "error"
        assert (error["error"]["code"], error["error"]["param"]) == (code, param)
        assert text(create(socket, input="still here")) == "still here"


def test_answers_are_not_steered(echo_server: Running) -> None:
    steer = {"type": "response.steer", "previous_response_id": "resp_1", "input": "Shorter."}
    with connection(echo_server) as socket:
        socket.send(json.dumps(steer))
        event = receive(socket)
        assert (event["type"], event["error"]["code"]) == (
            "response.steer.failed",
            "steering_not_supported",
        )
        assert event["steer"] == {"previous_response_id": "resp_1", "input": "Shorter."}
        assert text(create(socket, input="one")) == "one"


def test_a_continuation_of_no_id(echo_server: Running) -> None:
    with connection(echo_server) as socket:
        first = create(socket, input="one", store=False)[-1]["response"]["id"]
        (error,) = create(socket, input="x", previous_response_id=[first])
        assert error["error"]["param"] == "previous_response_id"
        assert text(create(socket, input="two", previous_response_id=first)) == "two"


def test_events_have_the_stream_id(echo_server: Running) -> None:
    with connection(echo_server) as socket:
        events = create(socket, input="x", stream_id='a"b')
        assert {event["stream_id"] for event in events} == {'a"b'}


def test_a_prompt_is_computed_without_an_answer(echo_server: Running) -> None:
    with connection(echo_server) as socket:
        events = create(socket, input="one two", generate=False)
        assert [event["type"] for event in events] == [
            "response.created",
            "response.in_progress",
            "response.completed",
        ]
        response = events[-1]["response"]
        assert (response["output"], response["usage"]["output_tokens"]) == ([], 0)
        assert response["usage"]["input_tokens"] == 3
        after = create(socket, input="three", previous_response_id=response["id"], model="reveal")
        messages = json.loads(text(after))["prompt"]["messages"]
        assert [message["content"] for message in messages] == ["one two", "three"]


def test_a_client_that_leaves_ends_the_work(echo_server: Running) -> None:
    with connection(echo_server) as socket:
        body = {"type": "response.create", "model": "slow", "input": "one two"}
        socket.send(json.dumps(body))
        while receive(socket)["type"] != "response.output_text.delta":
            pass
        assert occupancy(echo_server, "slow")[0] == 1
    wait_until(lambda: occupancy(echo_server, "slow")[0] == 0)


def test_the_guard() -> None:
    with ServerThread(echo_settings(api_key="secret")) as server:
        for headers, status in [
            ({}, 401),
            ({"Authorization": "Bearer wrong"}, 401),
            ({"Authorization": "Bearer secret", "Origin": "https://example.com"}, 403),
        ]:
            with pytest.raises(InvalidStatus) as caught, connection(server, **headers):
                pass
            response = caught.value.response
            assert response.status_code == status
            assert response.body is not None
            assert json.loads(response.body)["error"]["type"] == "invalid_request_error"
        with connection(server, Authorization="Bearer secret") as socket:
            assert text(create(socket, input="x")) == "x"


def test_requests_on_a_socket_are_counted(echo_server: Running) -> None:
    with connection(echo_server) as socket:
        create(socket, input="x")
        create(socket, input="x", model="no")
    metrics = fetch(f"{echo_server.url}/metrics").body.decode()
    for status in ("101", "200", "404"):
        assert f'route="/v1/responses",status="{status}"' in metrics


def test_other_urls_open_no_socket(echo_server: Running) -> None:
    address = url(echo_server).replace("responses", "models")
    with pytest.raises(InvalidStatus) as caught, connect(address):
        pass
    assert caught.value.response.status_code == 200
    assert fetch(f"{echo_server.url}/v1/responses").status == 405
