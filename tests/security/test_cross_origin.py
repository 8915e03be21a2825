"""What browsers are told about web pages of other origins."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from openedai.security.cross_origin import EXPOSED_HEADERS
from tests.docs.pages import section, tables
from tests.support import Answer, Running, ServerThread, echo_settings, fetch

PAGE = "https://app.example"
PRIVATE = "access-control-allow-private-network"


@pytest.fixture(scope="module")
def named() -> Iterator[Running]:
    with ServerThread(echo_settings(cors_origins=(PAGE,), api_key="sk-1")) as running:
        yield running


@pytest.fixture(scope="module")
def any_origin() -> Iterator[Running]:
    with ServerThread(echo_settings(cors_origins=("*", PAGE))) as running:
        yield running


def preflight(server: Running, origin: str, **headers: str) -> Answer:
    asked = {"origin": origin, "access-control-request-method": "POST", **headers}
    return fetch(f"{server.url}/v1/chat/completions", "OPTIONS", headers=asked)


def private(server: Running, origin: str) -> Answer:
    return preflight(server, origin, **{"access-control-request-private-network": "true"})


def test_a_named_page_may_call_a_private_network(named: Running, any_origin: Running) -> None:
    for server in (named, any_origin):
        answer = private(server, PAGE)
        assert answer.status == 200
        assert answer.headers[PRIVATE] == "true"
        assert PRIVATE not in preflight(server, PAGE).headers


def test_any_other_page_may_not(any_origin: Running) -> None:
    answer = private(any_origin, "https://other.example")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert PRIVATE not in answer.headers


def test_a_page_that_is_not_allowed_gets_an_error_of_the_api(named: Running) -> None:
    for answer in (preflight(named, "https://other.example"), private(named, "null")):
        assert answer.status == 403
        assert json.loads(answer.body)["error"]["code"] == "origin_not_allowed"
        assert "access-control-allow-origin" not in answer.headers


def test_pages_may_read_every_header_of_ours(named: Running) -> None:
    headers = {"origin": PAGE, "authorization": "Bearer sk-1"}
    answer = fetch(f"{named.url}/v1/models", headers=headers)
    exposed = {name.strip() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert exposed == set(EXPOSED_HEADERS)
    (table,) = tables(section("docs/compatibility.md", "Headers"))
    assert {row[0].strip("`") for row in table} <= exposed


def test_errors_too_can_be_read(named: Running) -> None:
    answer = fetch(f"{named.url}/v1/models", headers={"origin": PAGE})
    assert answer.status == 401
    assert answer.headers["access-control-allow-origin"] == PAGE
