"""`/console/api/keys`: the keys with what limits them, new ones, and changes."""

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


def ask(
    server: Running, body: Any = None, key: str = ADMIN, id: str = "", **headers: str
) -> tuple[int, Any]:
    """Lists the keys, or with a body makes one or changes the one with the id."""
    headers = {"authorization": f"Bearer {key}", **headers}
    url = f"{server.url}/console/api/keys{id and f'/{id}'}"
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
        ({"limits": {"tokens_per_day": -1}}, 400, "limits.tokens_per_day"),
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


def test_a_key_is_changed_and_the_rest_stays(server: Running) -> None:
    made = ask(server, {**SHOP, "name": "before"})[1]
    id, key = made["key"]["id"], made["key"]
    assert ask(server, {}, id=id) == (200, key)
    limits = {"requests_at_once": 0, "tokens_per_day": 7, "storage_bytes": 50}
    change = {"name": " after ", "owner": "", "limits": limits}
    status, changed = ask(server, change, id=id)
    assert status == 200
    assert changed == key | {
        **{"name": "after", "owner": "", "storage_bytes": 50},
        "limits": {"requests_at_once": 0, "tokens_per_day": 7},
    }
    free: dict[str, Any] = {"models": [], "scopes": None, "expires_in_seconds": None}
    _, freed = ask(server, free, id=id)
    assert freed == changed | {"models": None, "endpoints": None, "expires_at": None}
    assert freed in ask(server)[1]["keys"]


def test_a_change_counts_from_the_next_request_on(server: Running) -> None:
    made = ask(server, {"name": "next"})[1]
    body = {"model": "echo", "prompt": "a"}
    headers = {"authorization": f"Bearer {made['value']}"}

    def status() -> int:
        return fetch(f"{server.url}/v1/completions", "POST", headers=headers, json=body).status

    assert status() == 200
    for change, expected in (
        ({"limits": {"tokens_per_day": 1}}, 429),
        ({"limits": {"tokens_per_day": 0}, "models": ["reveal"]}, 404),
        ({"models": None, "scopes": ["embeddings"]}, 403),
        ({"scopes": []}, 200),
    ):
        assert ask(server, change, id=made["key"]["id"])[0] == 200
        assert status() == expected


@pytest.mark.parametrize(
    ("change", "status", "param"),
    [
        ({"name": " "}, 400, "name"),
        ({"owner": 1}, 400, "owner"),
        ({"scopes": ["none"]}, 400, "scopes"),
        ({"expires_in_seconds": -1}, 400, "expires_in_seconds"),
        ({"models": ["none"]}, 404, "models[0]"),
        ({"limits": {"tokens_per_day": 1, "requests_per_day": -1}}, 400, "limits.requests_per_day"),
        ({"admin": True}, 400, "admin"),
        ({"project": "other"}, 400, "project"),
    ],
)
def test_a_wrong_change_changes_nothing(
    server: Running, change: dict[str, Any], status: int, param: str
) -> None:
    key = ask(server, {"name": f"wrong-{param}-{status}"})[1]["key"]
    answered, error = ask(server, {"owner": "Eve", **change}, id=key["id"])
    assert (answered, error["error"]["param"]) == (status, param)
    assert key in ask(server)[1]["keys"]


def test_who_may_change_which_keys(server: Running) -> None:
    boss = ask(server, {"name": "second-boss", "admin": True})[1]["key"]
    assert ask(server, {"scopes": ["chat"]}, id=boss["id"])[0] == 400
    made = ask(server, {"name": "plain"})[1]
    key = made["key"]
    assert ask(server, {"owner": "Eve"}, made["value"], key["id"])[0] == 403
    assert ask(server, {"owner": "Eve"}, "", key["id"])[0] == 401
    foreign = {"origin": "https://example.com"}
    assert ask(server, {"owner": "Eve"}, id=key["id"], **foreign)[0] == 403
    assert ask(server, {"owner": "Eve"}, id="key_none")[0] == 404
    assert key in ask(server)[1]["keys"]
    with server.client(api_key=ADMIN, admin_api_key=ADMIN) as client:
        client.admin.organization.projects.api_keys.delete(key["id"], project_id=key["project"])
    assert ask(server, {"owner": "Eve"}, id=key["id"])[0] == 404


def test_the_first_key_is_an_admins(tmp_path: Path) -> None:
    with ServerThread(echo_settings(data=tmp_path)) as server:
        status, error = ask(server, {"name": "shop"})
        assert (status, error["error"]["param"]) == (400, "admin")
        status, made = ask(server, {"name": "boss", "admin": True})
        assert (status, made["first"]) == (200, True)
        assert ask(server)[0] == 401
        assert ask(server, {"name": "shop"}, made["value"])[1]["first"] is False
