"""Keys, hosts and origins, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from openai import AuthenticationError

from tests.support import Answer, Running, ServerThread, echo_settings, fetch

MODELS = "/v1/models"


def code(answer: Answer) -> str | None:
    value: str | None = json.loads(answer.body)["error"]["code"]
    return value


@pytest.fixture(scope="module")
def keyed_server() -> Iterator[Running]:
    settings = echo_settings(
        api_key="sk-first-0123456789", api_keys=("sk-second-123456789",), host="0.0.0.0"
    )
    with ServerThread(settings) as running:
        yield running


def test_any_key_or_none_on_loopback(echo_server: Running) -> None:
    assert fetch(f"{echo_server.url}{MODELS}").status == 200
    headers = {"authorization": "Bearer whatever"}
    assert fetch(f"{echo_server.url}{MODELS}", headers=headers).status == 200


def test_every_configured_key_is_accepted(keyed_server: Running) -> None:
    for key in ("sk-first-0123456789", "sk-second-123456789"):
        assert keyed_server.client(api_key=key).models.list().data
    for name in ("api-key", "x-api-key"):
        headers = {name: "sk-first-0123456789"}
        assert fetch(f"{keyed_server.url}{MODELS}", headers=headers).status == 200
        assert fetch(f"{keyed_server.url}{MODELS}", headers={name: "sk-wrong"}).status == 401


def test_a_wrong_key(keyed_server: Running) -> None:
    with pytest.raises(AuthenticationError) as caught:
        keyed_server.client(api_key="sk-wrong-secret-tail").models.list()
    assert caught.value.code == "invalid_api_key"
    assert "sk-********tail" in caught.value.message
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("value", [None, "", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz"])
def test_no_key(keyed_server: Running, value: str | None) -> None:
    headers = {} if value is None else {"authorization": value}
    answer = fetch(f"{keyed_server.url}{MODELS}", headers=headers)
    assert answer.status == 401
    assert code(answer) is None
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_keys_guard_unknown_urls_and_metrics_but_not_health(keyed_server: Running) -> None:
    assert fetch(f"{keyed_server.url}/v1/nothing").status == 401
    assert fetch(f"{keyed_server.url}/metrics").status == 401
    assert fetch(f"{keyed_server.url}/health").status == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:5001", "127.0.0.1.evil.example"])
def test_other_host_names_are_refused(echo_server: Running, host: str) -> None:
    answer = fetch(f"{echo_server.url}{MODELS}", headers={"host": host})
    assert answer.status == 403
    assert code(answer) == "host_not_allowed"


@pytest.mark.parametrize("host", ["localhost/health", "a/health?", "localhost/health#", "/health?"])
def test_a_host_does_not_shift_the_path(keyed_server: Running, host: str) -> None:
    """A path in the Host would be that of the whole URL, to what puts the two together."""
    answer = fetch(f"{keyed_server.url}{MODELS}", headers={"host": host})
    assert answer.status == 401
    headers = {"host": host, "authorization": "Bearer sk-first-0123456789"}
    assert json.loads(fetch(f"{keyed_server.url}{MODELS}", headers=headers).body)["data"]


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1:5001", "[::1]:5001", "[::1]"]
)
def test_loopback_names_are_allowed(echo_server: Running, host: str) -> None:
    assert fetch(f"{echo_server.url}{MODELS}", headers={"host": host}).status == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:3000", "http://[bad", "\u2100"]
)
def test_a_web_page_is_refused(echo_server: Running, origin: str) -> None:
    answer = fetch(f"{echo_server.url}{MODELS}", headers={"origin": origin})
    assert answer.status == 403
    assert code(answer) == "origin_not_allowed"
    assert "access-control-allow-origin" not in answer.headers


def test_pages_of_the_server_are_allowed(echo_server: Running) -> None:
    headers = {"origin": echo_server.url}
    assert fetch(f"{echo_server.url}{MODELS}", headers=headers).status == 200


def test_configured_origins_and_hosts() -> None:
    settings = echo_settings(cors_origins=("https://app.example",), allowed_hosts=("box.local",))
    with ServerThread(settings) as server:
        page = {"origin": "https://app.example"}
        answer = fetch(f"{server.url}{MODELS}", headers=page)
        preflight = fetch(
            f"{server.url}{MODELS}",
            "OPTIONS",
            headers={**page, "access-control-request-method": "POST"},
        )
        other = fetch(f"{server.url}{MODELS}", headers={"origin": "https://evil.example"})
        named = fetch(f"{server.url}{MODELS}", headers={"host": "box.local:5001"})
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert preflight.status == 200
    assert other.status == 403
    assert named.status == 200
