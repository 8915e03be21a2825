"""The limits of projects by the official admin API."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openai import BadRequestError, NotFoundError, OpenAI, RateLimitError

from openedai.config.limits import LimitSettings
from tests.api.limits.clock import ALICE, BOB, chat, client
from tests.databases import new_database
from tests.support import Running, ServerThread, echo_settings, fetch, wait_until

ADMIN = "sk-admin-0123456789"
NO_LIMIT = 9007199254740991
PROJECT = hashlib.sha256(ALICE.encode()).hexdigest()[:16]


def server_of(**options: Any) -> ServerThread:
    return ServerThread(
        echo_settings(
            api_key=ADMIN,
            api_keys=(ALICE, BOB),
            limits=LimitSettings(tokens_per_minute=10_000),
            **options,
        )
    )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with server_of(data=tmp_path) as running:
        yield running


def admin(server: Running) -> OpenAI:
    return server.client(api_key=ADMIN, admin_api_key=ADMIN)


def test_limits_are_listed_and_changed(server: Running) -> None:
    with admin(server) as boss, client(server) as alice, client(server, BOB) as bob:
        limits = boss.admin.organization.projects.rate_limits
        found = {one.model: one for one in limits.list_rate_limits(PROJECT, limit=3)}
        assert "owner/echo:latest" in found
        assert len(found) > 3
        echo = found["echo"]
        assert (echo.id, echo.object) == ("rl-echo", "project.rate_limit")
        assert echo.max_tokens_per_1_minute == 10_000
        assert echo.max_requests_per_1_minute == NO_LIMIT
        assert echo.max_images_per_1_minute is None
        changed = limits.update_rate_limit(
            "rl-echo", project_id=PROJECT, max_requests_per_1_minute=1, max_requests_per_1_day=9
        )
        assert (changed.max_requests_per_1_minute, changed.max_requests_per_1_day) == (1, 9)
        assert changed.max_tokens_per_1_minute == 10_000
        chat(alice)
        with pytest.raises(RateLimitError, match="Limit 1, Used 1"):
            chat(alice)
        for _ in range(2):
            chat(bob)
        limits.update_rate_limit("rl-echo", project_id=PROJECT, max_requests_per_1_minute=NO_LIMIT)
        chat(alice)
        slashed = limits.update_rate_limit(
            "rl-owner/echo:latest", project_id=PROJECT, max_tokens_per_1_minute=5
        )
        assert slashed.model == "owner/echo:latest"


def test_pages_go_both_ways(server: Running) -> None:
    with admin(server) as boss:
        limits = boss.admin.organization.projects.rate_limits
        first = limits.list_rate_limits(PROJECT, limit=2)
        second = limits.list_rate_limits(PROJECT, limit=2, after=first.data[-1].id)
        back = limits.list_rate_limits(PROJECT, limit=2, before=second.data[0].id)
        assert [one.id for one in back.data] == [one.id for one in first.data]
        assert not {one.id for one in first.data} & {one.id for one in second.data}


def test_they_survive_a_restart(tmp_path: Path) -> None:
    with server_of(data=tmp_path) as running, admin(running) as boss:
        boss.admin.organization.projects.rate_limits.update_rate_limit(
            "rl-echo", project_id=PROJECT, max_requests_per_1_minute=1
        )
    with server_of(data=tmp_path) as running, client(running) as alice:
        wait_until(lambda: running.app.state.services.limiting.rules.stored != {})
        chat(alice)
        with pytest.raises(RateLimitError):
            chat(alice)


def test_what_is_wrong_is_refused(server: Running) -> None:
    with admin(server) as boss, client(server) as alice:
        limits = boss.admin.organization.projects.rate_limits
        with pytest.raises(NotFoundError):
            limits.list_rate_limits("proj_none")
        for id in ("rl-nothing", "echo"):
            with pytest.raises(NotFoundError):
                limits.update_rate_limit(id, project_id=PROJECT, max_tokens_per_1_minute=1)
        for wrong in ({"max_tokens_per_1_minute": 0}, {"batch_1_day_max_input_tokens": 5}):
            with pytest.raises(BadRequestError) as caught:
                limits.update_rate_limit("rl-echo", project_id=PROJECT, **wrong)  # type: ignore[arg-type]
            assert caught.value.param == next(iter(wrong))
        url = f"{server.url}/v1/organization/projects/{PROJECT}/rate_limits"
        answer = fetch(url, headers={"authorization": f"Bearer {ALICE}"})
        assert answer.status == 403
        chat(alice)


def test_two_servers_of_a_database_keep_one_limit(postgres: str, tmp_path: Path) -> None:
    """Sixty requests at once through both: as many are served as the limit says."""
    database = new_database(postgres)
    with (
        server_of(database=database, blobs="", data=tmp_path / "1") as one,
        server_of(database=database, blobs="", data=tmp_path / "2") as other,
        admin(one) as boss,
    ):
        boss.admin.organization.projects.rate_limits.update_rate_limit(
            "rl-echo", project_id=PROJECT, max_requests_per_1_minute=25
        )
        for server in (one, other):
            rules = server.app.state.services.limiting.rules
            wait_until(lambda rules=rules: rules.stored != {})  # type: ignore[misc]
        message = {"role": "user", "content": "one"}
        body = {"model": "echo", "messages": [message], "max_tokens": 5}

        async def send_all() -> list[int]:
            headers = {"authorization": f"Bearer {ALICE}"}
            async with aiohttp.ClientSession(headers=headers) as session:

                async def send(server: Running) -> int:
                    url = f"{server.url}/v1/chat/completions"
                    async with session.post(url, json=body) as answer:
                        return answer.status

                return await asyncio.gather(*(send(one if n % 2 else other) for n in range(60)))

        statuses = asyncio.run(send_all())
        assert sorted(statuses) == [200] * 25 + [429] * 35
