"""The limits that keys of the database have themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError, RateLimitError

from openedai.config import Secret
from openedai.config.limits import LimitRule, LimitSettings
from openedai.security.administration import Administration
from openedai.store.keys.records import ApiKey
from openedai.store.store import Store
from tests.api.limits.clock import Clock, chat
from tests.api.openai.batches.making import ended, line, start
from tests.databases import new_database
from tests.support import Running, ServerThread, echo_settings


def administer(
    folder: Path, work: Callable[[Administration], Awaitable[Any]], database_url: str = ""
) -> Any:
    """What the command line does, beside a server that runs."""

    async def run() -> Any:
        store = Store(folder, database_url)
        try:
            return await work(Administration(store))
        finally:
            await store.close()

    return asyncio.run(run())


def new_key(
    folder: Path, name: str, *, storage: int | None = None, project: str = "", **limits: int
) -> tuple[str, str]:
    """The id and the text of a key with limits."""
    wanted = ApiKey(project=project, name=name, limits=limits)
    made = administer(folder, lambda found: found.create_key(wanted, storage))
    return made.key.id, made.secret


def change(folder: Path, id: str, storage: int | None = None, **limits: int) -> None:
    def changed(key: ApiKey) -> ApiKey:
        return replace(key, limits={**key.limits, **limits})

    administer(folder, lambda found: found.change_key(id, changed, storage))


@contextmanager
def limited(folder: Path, clock: Clock | None = None, **limits: Any) -> Iterator[Running]:
    settings = echo_settings(data=folder, limits=LimitSettings(**limits))
    with ServerThread(settings, limits_clock=clock or Clock()) as server:
        yield server


def test_a_keys_limit_is_of_all_models_together(tmp_path: Path) -> None:
    clock = Clock()
    id, secret = new_key(tmp_path, "shop", requests_per_minute=2)
    _, other = new_key(tmp_path, "other", project="shop")
    with (
        limited(tmp_path, clock) as server,
        server.client(api_key=secret, max_retries=0) as shop,
        server.client(api_key=other, max_retries=0) as others,
    ):
        answer = shop.chat.completions.with_raw_response.create(
            model="echo", messages=[{"role": "user", "content": "hi"}]
        )
        assert answer.headers["x-ratelimit-limit-requests"] == "2"
        assert answer.headers["x-ratelimit-remaining-requests"] == "1"
        chat(shop, "reveal")
        with pytest.raises(RateLimitError) as caught:
            chat(shop)
        assert "requests per min (RPM): Limit 2, Used 2" in str(caught.value)
        for _ in range(3):
            chat(others)
        change(tmp_path, id, requests_per_minute=3)
        chat(shop)
        with pytest.raises(RateLimitError):
            chat(shop)
        change(tmp_path, id, requests_per_minute=0)
        chat(shop)
        clock.skip(60)
        change(tmp_path, id, requests_per_day=1)
        with pytest.raises(RateLimitError) as caught:
            chat(shop, max_tokens=1), chat(shop, max_tokens=1)
        assert caught.value.code == "insufficient_quota"


def test_a_keys_limit_takes_the_place_of_a_rule_for_each_key(tmp_path: Path) -> None:
    _, more = new_key(tmp_path, "more", requests_per_minute=2)
    _, plain = new_key(tmp_path, "plain")
    rules = (LimitRule(key="*", together=True, requests_per_minute=1),)
    with (
        limited(tmp_path, rules=rules) as server,
        server.client(api_key=more, max_retries=0) as first,
        server.client(api_key=plain, max_retries=0) as second,
    ):
        for client, allowed in ((first, 2), (second, 1)):
            for _ in range(allowed):
                chat(client)
            with pytest.raises(RateLimitError):
                chat(client)


def test_lines_of_batches_have_the_limits_of_the_key(tmp_path: Path) -> None:
    _, secret = new_key(tmp_path, "shop", requests_per_month=1)
    with limited(tmp_path) as server, server.client(api_key=secret) as client:
        batch = ended(client, start(client, [line("1"), line("2")]))
        assert batch.request_counts is not None
        assert (batch.request_counts.completed, batch.request_counts.failed) == (1, 1)


def test_several_servers_keep_one_limit(tmp_path: Path, postgres: str) -> None:
    database_url = new_database(postgres)
    wanted = ApiKey(project="", name="shop", limits={"requests_per_day": 3})
    made = administer(tmp_path, lambda found: found.create_key(wanted), database_url)
    settings = [
        echo_settings(data=tmp_path / name, database=Secret(database_url)) for name in ("a", "b")
    ]
    with (
        ServerThread(settings[0]) as one,
        ServerThread(settings[1]) as other,
        one.client(api_key=made.secret, max_retries=0) as here,
        other.client(api_key=made.secret, max_retries=0) as there,
    ):
        for client in (here, there, here):
            chat(client)
        for client in (here, there):
            with pytest.raises(RateLimitError):
                chat(client)
        id = made.key.id
        more = {"requests_per_day": 4}
        administer(
            tmp_path,
            lambda found: found.change_key(id, lambda key: replace(key, limits=more)),
            database_url,
        )
        chat(there)
        with pytest.raises(RateLimitError):
            chat(here)


def test_storage_is_of_the_keys_project(tmp_path: Path) -> None:
    id, secret = new_key(tmp_path, "shop", storage=1000)
    _, other = new_key(tmp_path, "other")
    file: Any = ("a.txt", b"x" * 600)
    with (
        limited(tmp_path) as server,
        server.client(api_key=secret) as shop,
        server.client(api_key=other) as others,
    ):
        for client in (shop, others):
            client.files.create(file=file, purpose="user_data")
        others.files.create(file=file, purpose="user_data")
        with pytest.raises(BadRequestError) as caught:
            shop.files.create(file=file, purpose="user_data")
        assert caught.value.code == "storage_quota_exceeded"
        with pytest.raises(BadRequestError) as caught:
            shop.uploads.create(
                bytes=600, filename="a", mime_type="text/plain", purpose="user_data"
            )
        assert caught.value.code == "storage_quota_exceeded"
        change(tmp_path, id, 0)
        shop.files.create(file=file, purpose="user_data")
