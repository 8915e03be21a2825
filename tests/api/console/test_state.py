"""`/console/api`: who asks, what runs now, and how a request is cancelled."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from openai import APIError, OpenAI, PermissionDeniedError

from openedai.config import Secret
from tests.support import Running, ServerThread, echo_settings, fetch, wait_until

QUESTION: Any = {"model": "slow", "messages": [{"role": "user", "content": "one two"}]}


@contextmanager
def states(server: Running, **headers: str) -> Iterator[Iterator[dict[str, Any]]]:
    """What `GET /console/api/now` sends."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("GET", "/console/api/now", headers=headers)
    response = connection.getresponse()
    assert response.status == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    try:
        yield (json.loads(line[6:]) for line in response if line.startswith(b"data: "))
    finally:
        response.close()
        connection.close()


@contextmanager
def asked(client: OpenAI, **options: Any) -> Iterator[list[Exception]]:
    """A request in a thread, and the errors that it gets."""
    errors: list[Exception] = []

    def ask() -> None:
        try:
            answer = client.chat.completions.create(**QUESTION, **options)
            list(answer if options.get("stream") else [])
        except APIError as error:
            errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield errors
    finally:
        thread.join(20)
        assert not thread.is_alive()


def running(state: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in state["requests"] if one["model"] == "slow"]


def cancel(server: Running, id: str) -> int:
    return fetch(f"{server.url}/console/api/requests/{id}/cancel", "POST").status


def test_the_session_of_a_local_user(echo_server: Running) -> None:
    answer = json.loads(fetch(f"{echo_server.url}/console/api/session").body)
    assert answer["admin"] is True
    assert answer["version"]
    assert answer["file_max_bytes"] == echo_server.app.state.services.settings.file_max_bytes


@pytest.mark.parametrize("path", ["GET /now", "POST /requests/req_none/cancel"])
def test_only_keys_that_may_manage_the_server_see_what_runs(path: str) -> None:
    settings = echo_settings(api_key=Secret("the-admin-key"), api_keys=(Secret("another-key"),))
    method, _, path = path.partition(" ")
    with ServerThread(settings) as server:
        base = f"{server.url}/console/api"
        other = {"authorization": "Bearer another-key"}
        session = json.loads(fetch(f"{base}/session", headers=other).body)
        assert session["admin"] is False
        refused = fetch(f"{base}{path}", method, headers=other)
        assert refused.status == 403
        assert json.loads(refused.body)["error"]["code"] == "insufficient_permissions"
        assert fetch(f"{base}{path}", method).status == 401
        admin = {"authorization": "Bearer the-admin-key"}
        assert json.loads(fetch(f"{base}/session", headers=admin).body)["admin"] is True
        with states(server, **admin) as seen:
            assert next(seen)["accepting"]


def test_a_request_is_shown_with_its_tokens_and_cancelled(
    echo_server: Running, client: OpenAI
) -> None:
    with asked(client, stream=True) as errors, states(echo_server) as seen:
        state = next(one for one in seen if running(one) and running(one)[0]["tokens"] > 1)
        (request,) = running(state)
        assert (request["method"], request["path"]) == ("POST", "/v1/chat/completions")
        assert request["cancellable"]
        assert request["age"] >= request["first_event_at"] >= request["leased_at"]
        (model,) = [one for one in state["models"] if one["id"] == "slow"]
        assert (model["state"], model["running"]) == ("ready", 1)
        fast = next(one for one in seen if one["speed"] > 0)
        assert fast["speed"] == pytest.approx(sum(one["speed"] for one in fast["models"]))
        assert cancel(echo_server, request["id"]) == 200
        next(one for one in seen if not running(one))
    (error,) = errors
    assert getattr(error, "code", None) == "request_cancelled"
    assert cancel(echo_server, request["id"]) == 404


def test_one_that_is_not_streamed_gets_the_error_as_its_answer(
    echo_server: Running, client: OpenAI
) -> None:
    """With a status that clients do not try again."""
    with asked(client) as errors, states(echo_server) as seen:
        state = next(one for one in seen if running(one))
        assert cancel(echo_server, running(state)[0]["id"]) == 200
    (error,) = errors
    assert isinstance(error, PermissionDeniedError)
    assert error.code == "request_cancelled"
    pool = echo_server.app.state.services.pool
    wait_until(lambda: all(model.running == 0 for model in pool.snapshot().models))


def test_one_that_waits_for_its_model_is_cancelled(echo_server: Running, client: OpenAI) -> None:
    slots = 4
    ids: list[str] = []
    with states(echo_server) as seen:
        asking = [asked(client) for _ in range(slots + 1)]
        errors = [one.__enter__() for one in asking]
        state = next(one for one in seen if len(running(one)) == slots + 1 and waiting(one))
        assert [one["waiting"] for one in state["models"] if one["id"] == "slow"] == [1]
        ids = [one["id"] for one in running(state)]
        for id in [waiting(state)[0]["id"], *ids]:
            cancel(echo_server, id)
        for one in asking:
            one.__exit__(None, None, None)
    assert all(len(one) == 1 for one in errors)


def waiting(state: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in running(state) if one["leased_at"] is None]


def test_an_unknown_request_cannot_be_cancelled(echo_server: Running) -> None:
    assert cancel(echo_server, "req_none") == 404


def test_the_states_end_with_the_server() -> None:
    with ServerThread(echo_settings()) as server, states(server) as seen:
        assert next(seen)["accepting"]
        server.app.state.services.pool.stop_accepting()
        assert not list(seen)[-1]["accepting"]


def test_nothing_is_left_of_a_viewer_that_leaves(echo_server: Running) -> None:
    activity = echo_server.app.state.services.activity
    with states(echo_server) as seen:
        next(seen)
        wait_until(lambda: any(one.path == "/console/api/now" for one in activity.running()))
    wait_until(lambda: all(one.path != "/console/api/now" for one in activity.running()))
