"""`/console/api/keys`: the keys with what limits them, and new ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openedai.config import Secret
from tests.support import Running, ServerThread, echo_settings, fetch

ADMIN = "the-admin-key"
SHOP = {
    **{"name": "shop", "owner": "Ann", "models": ["parrot", "reveal"], "scopes": ["chat"]},
    "limits": {"requests_at_once": 2, "storage_bytes": 1000},
    "expires_in_seconds": 3600,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    settings = echo_settings(data=tmp_path_factory.mktemp("data"), api_key=Secret(ADMIN))
    with ServerThread(settings) as running:
        yield running


def ask(server: Running, body: Any = None, key: str = ADMIN) -> tuple[int, Any]:
    headers = {"authorization": f"Bearer {key}"}
    url = f"{server.url}/console/api/keys"
    if body is None:
        answer = fetch(url, headers=headers)
    else:
        answer = fetch(url, "POST", headers=headers, json=body)
    return answer.status, json.loads(answer.body)


def test_a_key_has_its_limits_and_is_shown_once(server: Running) -> None:
    status, made = ask(server, SHOP)
    assert (status, made["first"]) == (200, False)
    status, listed = ask(server)
    (key,) = [one for one in listed["keys"] if one["id"] == made["key"]["id"]]
    assert key == made["key"]
    assert (key["models"], key["endpoints"]) == (["parrot", "reveal"], ["chat"])
    assert (key["name"], key["owner"], key["admin"]) == ("shop", "Ann", False)
    assert key["limits"] == {"requests_at_once": 2}
    assert {"tokens_per_day", "storage_bytes"} <= set(listed["limits"])
    assert 3590 < key["expires_at"] - key["created_at"] < 3601
    assert made["value"] not in json.dumps(listed)
    assert {"api", "chat", "server"} <= set(listed["groups"])
    with server.client(api_key=made["value"]) as client:
        chat = client.chat.completions.create(
            model="echo", messages=[{"role": "user", "content": "hi"}]
        )
    assert chat.choices[0].message.content == "hi"
    assert ask(server, key=made["value"])[0] == 403
    assert ask(server, {"name": "other"}, made["value"])[0] == 403


def test_a_revoked_key_is_not_listed(server: Running) -> None:
    _, made = ask(server, {"name": "short-lived"})
    key = made["key"]
    with server.client(api_key=ADMIN, admin_api_key=ADMIN) as client:
        client.admin.organization.projects.api_keys.delete(key["id"], project_id=key["project"])
    assert key["id"] not in [one["id"] for one in ask(server)[1]["keys"]]
    assert ask(server, key=made["value"])[0] == 401


@pytest.mark.parametrize(
    ("change", "status", "param"),
    [
        ({"name": " "}, 400, "name"),
        ({"name": "a\nb"}, 400, "name"),
        ({"name": 1}, 400, "name"),
        ({"scopes": ["none"]}, 400, "scopes"),
        ({"admin": True}, 400, "scopes"),
        ({"expires_in_seconds": 0}, 400, "expires_in_seconds"),
        ({"models": ["echo", "none"]}, 404, "models[1]"),
        ({"models": "echo"}, 400, "models"),
        ({"limits": {"cats": 1}}, 400, "limits"),
        ({"limits": {"tokens_per_day": -1}}, 400, "limits"),
        ({"limits": {"tokens_per_day": "many"}}, 400, "limits.tokens_per_day"),
        ({"project": "none"}, 404, "project"),
        ({"colour": "red"}, 400, "colour"),
    ],
)
def test_what_is_wrong_is_refused(
    server: Running, change: dict[str, Any], status: int, param: str
) -> None:
    before = ask(server)[1]["keys"]
    answered, error = ask(server, {**SHOP, "name": "wrong", **change})
    assert (answered, error["error"]["param"]) == (status, param)
    assert ask(server)[1]["keys"] == before


def test_a_typing_error_in_a_model_is_seen(server: Running) -> None:
    _, error = ask(server, {**SHOP, "name": "wrong", "models": ["parot"]})
    assert error["error"]["message"] == "No model is named `parot`. Did you mean `parrot`?"


def test_the_first_key_is_an_admins(tmp_path: Path) -> None:
    with ServerThread(echo_settings(data=tmp_path)) as server:
        status, error = ask(server, {"name": "shop"})
        assert (status, error["error"]["param"]) == (400, "admin")
        status, made = ask(server, {"name": "boss", "admin": True})
        assert (status, made["first"]) == (200, True)
        assert ask(server)[0] == 401
        assert ask(server, {"name": "shop"}, made["value"])[1]["first"] is False
