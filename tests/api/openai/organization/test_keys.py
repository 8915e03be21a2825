"""Admin keys, projects, their keys and service accounts, by the official client."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from openai import OpenAI
from openai.resources.admin.organization import Organization

from openedai.security.administration import DEFAULT_PROJECT, Administration, MadeKey
from openedai.store.store import Store
from tests.databases import new_database
from tests.security.keys import add_key, ask
from tests.support import Running, ServerThread, echo_settings, fetch

ADMIN, PLAIN = "admin-0123456789", "plain-0123456789"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    settings = echo_settings(data=tmp_path_factory.mktemp("data"), api_key=ADMIN, api_keys=(PLAIN,))
    with ServerThread(settings) as running:
        yield running


def client(server: Running, key: str) -> OpenAI:
    return server.client(admin_api_key=key, api_key=key, _strict_response_validation=True)


@pytest.fixture
def organization(server: Running) -> Organization:
    return client(server, ADMIN).admin.organization


def test_admin_keys(server: Running, organization: Organization) -> None:
    keys = organization.admin_api_keys
    made = keys.create(name="boss", expires_in_seconds=3600)
    assert made.expires_at is not None
    assert abs(made.expires_at - made.created_at - 3600) <= 20
    assert made.redacted_value.endswith(made.value[-4:])
    boss = client(server, made.value).admin.organization
    assert boss.admin_api_keys.retrieve(made.id).name == "boss"
    more = [boss.admin_api_keys.create(name=f"more {n}").id for n in range(3)]
    listed = [key.id for key in keys.list(limit=2)]
    assert listed == [made.id, *more]
    assert [key.id for key in keys.list(order="desc")] == listed[::-1]
    for id in listed:
        assert keys.delete(id).deleted
    assert ask(server, made.value).status == 401
    for missing in (made.id, "key_none", "é"):
        with pytest.raises(openai.NotFoundError):
            keys.retrieve(missing)
        with pytest.raises(openai.NotFoundError):
            keys.delete(missing)


def test_projects(server: Running, organization: Organization) -> None:
    projects = organization.projects
    made = projects.create(name="a")
    assert (made.status, made.archived_at) == ("active", None)
    assert projects.update(made.id, name="b").name == "b"
    assert projects.update(made.id).name == "b"
    account = projects.service_accounts.create(made.id, name="robot")
    assert account.api_key is not None
    assert ask(server, account.api_key.value).status == 200
    archived = projects.archive(made.id)
    assert (archived.status, projects.archive(made.id).archived_at) == (
        "archived",
        archived.archived_at,
    )
    assert ask(server, account.api_key.value).status == 401
    assert projects.retrieve(made.id).status == "archived"
    assert made.id not in [one.id for one in projects.list()]
    assert made.id in [one.id for one in projects.list(include_archived=True, limit=1)]
    for refused in (
        lambda: projects.update(made.id, name="c"),
        lambda: projects.service_accounts.create(made.id, name="c"),
        lambda: projects.archive(DEFAULT_PROJECT),
        lambda: projects.create(name=""),
        lambda: projects.create(name="c", geography="EU"),
    ):
        with pytest.raises(openai.BadRequestError):
            refused()
    with pytest.raises(openai.NotFoundError):
        projects.archive("proj_none")


def test_keys_of_projects(server: Running, organization: Organization) -> None:
    projects = organization.projects
    project, other = (projects.create(name=name).id for name in ("one", "two"))
    folder = server.app.state.services.settings.data
    key, secret = add_key(folder, project=project, name="laptop", owner="Ann")
    account = projects.service_accounts.create(project, name="robot")
    assert account.api_key is not None
    robot = account.api_key.id
    shown = list(projects.api_keys.list(project, limit=1))
    assert [one.id for one in shown] == [key.id, robot]
    assert shown[0].owner.user is not None
    assert shown[0].owner.user.name == "Ann"
    assert shown[1].owner.service_account is not None
    assert shown[1].owner.service_account.id == account.id
    assert not list(projects.api_keys.list(project, owner_project_access="inactive"))
    assert not list(projects.api_keys.list(other))
    changed = projects.api_keys.update(
        key.id, project_id=project, scopes=["chat"], expires_in_seconds=60
    )
    assert changed.expires_at is not None
    assert ask(server, secret, "/v1/files").status == 403
    projects.api_keys.update(key.id, project_id=project, scopes=[])
    assert ask(server, secret, "/v1/files").status == 200
    with pytest.raises(openai.BadRequestError, match="there is no scope `cats`"):
        projects.api_keys.update(key.id, project_id=project, scopes=["cats"])
    for method in (projects.api_keys.retrieve, projects.api_keys.delete):
        with pytest.raises(openai.NotFoundError):
            method(key.id, project_id=other)
    assert projects.api_keys.retrieve(robot, project_id=project).name == "robot"
    assert projects.api_keys.delete(key.id, project_id=project).deleted
    assert ask(server, secret).status == 401
    with pytest.raises(openai.NotFoundError):
        projects.api_keys.retrieve(key.id, project_id=project)


def test_service_accounts(server: Running, organization: Organization) -> None:
    projects = organization.projects
    project, other = (projects.create(name=name).id for name in ("one", "two"))
    accounts = projects.service_accounts
    made = accounts.create(project, name="robot", expires_in_seconds=100)
    bare = accounts.create(project, name="bare", create_service_account_only=True)
    assert made.api_key is not None
    assert (made.role, bare.role, bare.api_key) == ("member", "none", None)
    assert [one.id for one in accounts.list(project, limit=1)] == [made.id, bare.id]
    changed = accounts.update(bare.id, project_id=project, name="better", role="owner")
    assert (changed.name, changed.role) == ("better", "owner")
    more = accounts.api_keys.create(bare.id, project_id=project, scopes=["models"])
    assert ask(server, more.value).status == 200
    assert ask(server, more.value, "/v1/files").status == 403
    with pytest.raises(openai.NotFoundError):
        accounts.retrieve(made.id, project_id=other)
    with pytest.raises(openai.BadRequestError):
        accounts.create(project, name="c", create_service_account_only=True, expires_in_seconds=1)
    for account, secret in ((made.id, made.api_key.value), (bare.id, more.value)):
        assert accounts.delete(account, project_id=project).deleted
        assert ask(server, secret).status == 401
        with pytest.raises(openai.NotFoundError):
            accounts.delete(account, project_id=project)


def test_who_may(server: Running) -> None:
    url = "/v1/organization/projects"
    assert ask(server, None, url).status == 401
    assert ask(server, "wrong", url).status == 401
    refused = ask(server, PLAIN, url)
    assert refused.status == 403
    assert json.loads(refused.body)["error"]["code"] == "insufficient_permissions"
    assert ask(server, PLAIN, "/metrics").status == 200
    assert ask(server, ADMIN, url).status == 200


@pytest.mark.parametrize(
    "path", ["users", "invites", "audit_logs", "roles", "projects/proj_1/certificates"]
)
def test_what_is_not_here(server: Running, path: str) -> None:
    answer = ask(server, ADMIN, f"/v1/organization/{path}")
    assert answer.status == 404
    assert f"This server has no '{path}'" in json.loads(answer.body)["error"]["message"]


def test_the_first_key_by_the_local_user(tmp_path: Path) -> None:
    with ServerThread(echo_settings(data=tmp_path)) as server:
        made = server.client(admin_api_key="none").admin.organization.admin_api_keys.create(
            name="a"
        )
        assert ask(server, None).status == 401
        assert ask(server, made.value, "/v1/organization/projects").status == 200


def test_a_key_is_revoked_on_every_server(tmp_path: Path, postgres: str) -> None:
    database = new_database(postgres)
    folders = [tmp_path / name for name in ("one", "two")]
    settings = [echo_settings(data=folder, database=database, api_key=ADMIN) for folder in folders]
    with ServerThread(settings[0]) as first, ServerThread(settings[1]) as second:
        keys = client(first, ADMIN).admin.organization.admin_api_keys
        for number in range(5):
            made = keys.create(name=str(number))
            assert ask(second, made.value).status == 200
            keys.delete(made.id)
            assert ask(second, made.value).status == 401


def test_two_are_made_at_once(tmp_path: Path, database_url: str) -> None:
    stores = [Store(tmp_path, database_url) for _ in range(4)]

    async def make(store: Store) -> list[MadeKey]:
        administration = Administration(store)
        return [await administration.create_admin_key("boss", None) for _ in range(3)]

    async def scenario() -> list[list[MadeKey]]:
        try:
            return await asyncio.gather(*map(make, stores))
        finally:
            for store in stores:
                await store.close()

    made = [one for some in asyncio.run(scenario()) for one in some]
    assert len({one.key.id for one in made}) == len({one.secret for one in made}) == 12
    assert {one.key.project for one in made} == {DEFAULT_PROJECT}


def test_keys_are_in_no_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    settings = echo_settings(data=tmp_path, api_key=ADMIN, log_prompts=True)
    with ServerThread(settings) as server:
        organization = client(server, ADMIN).admin.organization
        made = organization.admin_api_keys.create(name="a")
        chat = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
        headers = {"authorization": f"Bearer {made.value}"}
        fetch(f"{server.url}/v1/chat/completions", "POST", json=chat, headers=headers)
        organization.admin_api_keys.delete(made.id)
        refused = ask(server, made.value)
        fetch(f"{server.url}/v1/nothing", "POST", json=chat, headers=headers)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("openedai")]
    assert ours
    for secret in (made.value, ADMIN):
        assert secret not in refused.body.decode()
        assert not [message for message in ours if secret in message]


def test_expired_keys_are_not_changed(server: Running, organization: Organization) -> None:
    project = organization.projects.create(name="late").id
    folder = server.app.state.services.settings.data
    key, _ = add_key(folder, project=project, expires_at=time.time() - 1)
    with pytest.raises(openai.BadRequestError, match="has expired"):
        organization.projects.api_keys.update(key.id, project_id=project, expires_in_seconds=60)
    boss, _ = add_key(folder, project=project, admin=True)
    with pytest.raises(openai.BadRequestError, match="may do everything"):
        organization.projects.api_keys.update(boss.id, project_id=project, scopes=["chat"])


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/organization/projects", {"name": "a\0b"}, 400),
        ("POST", "/v1/organization/admin_api_keys", {"name": "a\0b"}, 400),
        ("DELETE", "/v1/organization/admin_api_keys/%00", None, 404),
        ("POST", "/v1/organization/projects/%00/archive", None, 404),
        ("DELETE", "/v1/organization/projects/%00/api_keys/a", None, 404),
        ("GET", "/v1/organization/projects/a/service_accounts/%00", None, 404),
        ("DELETE", "/v1/organization/projects/%00/service_accounts/a", None, 404),
        ("GET", "/v1/organization/costs?start_time=0&api_key_ids[]=%00", None, 400),
        ("GET", "/v1/containers?name=%00", None, 400),
    ],
)
def test_a_nul_is_refused_on_every_database(
    tmp_path: Path, database_url: str, method: str, path: str, body: object, status: int
) -> None:
    """PostgreSQL cannot keep one in a text."""
    settings = echo_settings(data=tmp_path, database=database_url, api_key=ADMIN)
    headers = {"authorization": f"Bearer {ADMIN}"}
    options = {} if body is None else {"json": body}
    with ServerThread(settings) as server:
        answer = fetch(f"{server.url}{path}", method, headers=headers, **options)
    assert answer.status == status, answer.body
