"""Containers on both databases: files, quotas, expiry, and two servers that share one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from openedai.api.openai.dialect import OPENAI
from openedai.errors import APIError, InvalidRequest, NotFound
from openedai.http.exchange import Exchange
from openedai.identity import Identity
from openedai.sandbox.confinement import Confined
from openedai.serving.containers.service import ContainerService
from openedai.store.containers import Container, ContainerFields
from openedai.store.files import Files
from openedai.store.quotas import FileLimits
from openedai.store.store import Store
from openedai.store.vector_stores.pages import Cursor
from tests.support import echo_settings

Check = Callable[[ContainerService], Awaitable[None]]


def checked(store: Store, folder: Path, check: Check, *, owner_bytes: int = 0) -> None:
    """Run a check with a service on the store. Both are closed."""

    async def scenario() -> None:
        service = made(store, folder, owner_bytes=owner_bytes)
        try:
            await check(service)
        finally:
            await service.close()
            await store.close()

    asyncio.run(scenario())


def made(store: Store, folder: Path, *, owner_bytes: int = 0) -> ContainerService:
    settings = echo_settings(data=folder, tool_timeout=10.0)
    return ContainerService(settings, store, Files(store, FileLimits(owner=owner_bytes)))


def exchange(owner: str) -> Exchange:
    """A request of this owner."""
    identity = Identity(project=owner)
    return Exchange("req_1", "POST", "/v1/containers", OPENAI, identity=identity)


async def put(service: ContainerService, container: Container, name: str, data: bytes) -> str:
    """The id of the file."""
    async with service.writing() as writing:
        await writing.add(data)
        return (await service.add(container, name, writing)).id


async def paths(service: ContainerService, container: Container) -> dict[str, int]:
    return {one.path: one.bytes for one in await service.containers.files(container.id)}


def test_files_are_rows(store: Store, tmp_path: Path) -> None:
    async def check(service: ContainerService) -> None:
        container = await service.create(exchange("me"), "a", ContainerFields())
        first = await put(service, container, "a", b"one")
        assert await put(service, container, "../a", b"longer") == first
        second = await put(service, container, "..", b"")
        assert await paths(service, container) == {"/mnt/data/a": 6, "/mnt/data/file": 0}
        page = await service.containers.files_page(container.id, Cursor(limit=1, order="asc"))
        assert ([one.id for one in page.items], page.has_more) == ([min(first, second)], True)
        file = await service.containers.file(container.id, first)
        assert b"".join([part async for part in service.containers.read(file, 1, 4)]) == b"ong"
        await service.remove(container, second)
        for missing in (second, "nothing", "x/y"):
            with pytest.raises(NotFound):
                await service.remove(container, missing)
        await service.delete("me", container.id)
        with pytest.raises(NotFound):
            await put(service, container, "b", b"")
        with pytest.raises(NotFound):
            await service.find("me", container.id)

    checked(store, tmp_path, check)


def test_owners_and_pages(store: Store, tmp_path: Path) -> None:
    async def check(service: ContainerService) -> None:
        request = exchange("me")
        made = [await service.create(request, name, ContainerFields()) for name in ("a", "b", "a")]
        assert request.containers == [one.id for one in made]
        mine = sorted(made, key=lambda one: one.id)  # some are of the same millisecond
        await service.create(exchange("you"), "a", ContainerFields())
        found = await service.containers.page("me", Cursor(limit=2))
        assert ([one.id for one in found.items], found.has_more) == (
            [mine[2].id, mine[1].id],
            True,
        )
        named = await service.containers.page("me", Cursor(order="asc"), "a")
        assert named.items == [one for one in mine if one.name == "a"]
        for call in (service.find, service.delete):
            with pytest.raises(NotFound):
                await call("you", mine[0].id)

    checked(store, tmp_path, check)


def test_files_count_for_the_owner(store: Store, tmp_path: Path) -> None:
    """Also those that are replaced, deleted, and gone with their container."""

    async def check(service: ContainerService) -> None:
        container = await service.create(exchange("me"), "a", ContainerFields())
        await put(service, container, "a", bytes(60))
        await put(service, container, "a", bytes(90))
        with pytest.raises(InvalidRequest) as error:
            await put(service, container, "b", bytes(20))
        assert error.value.code == "storage_quota_exceeded"
        await service.delete("me", container.id)
        other = await service.create(exchange("me"), "b", ContainerFields())
        await put(service, other, "c", bytes(100))

    checked(store, tmp_path, check, owner_bytes=100)


async def expire(store: Store, container: Container) -> None:
    async with (await store.database()).write() as query:
        await query.run(
            "update containers set expires_at=$1 where id=$2", time.time(), container.id
        )


@pytest.mark.usefixtures("confined")
def test_what_expires_is_ended(store: Store, tmp_path: Path) -> None:
    async def check(service: ContainerService) -> None:
        container = await service.create(exchange("me"), "a", ContainerFields(minutes=1))
        assert (await service.run(container, "open('a', 'w').write('x')")).ran.value == "1"
        await service.sweep()
        assert not (await service.find("me", container.id)).expired
        await expire(store, container)
        await service.sweep()
        assert (await service.find("me", container.id)).expired
        assert await paths(service, container) == {}
        with pytest.raises(NotFound, match="expired"):
            await service.running("me", container.id)
        assert not service.processes

    checked(store, tmp_path, check)


def test_activity_moves_the_expiry(store: Store, tmp_path: Path) -> None:
    async def check(service: ContainerService) -> None:
        container = await service.create(exchange("me"), "a", ContainerFields(minutes=1))
        older = replace(container, last_active_at=container.last_active_at - 30)
        touched = await service.containers.touch(older)
        assert touched.expires_at > older.expires_at
        found = await service.find("me", container.id)
        assert found.last_active_at == pytest.approx(touched.last_active_at)

    checked(store, tmp_path, check)


def test_two_servers_share_the_files(confined: Confined, database_url: str, tmp_path: Path) -> None:
    """Each has a process of its own for the container."""

    async def scenario() -> None:
        stores = [Store(tmp_path, database_url) for _ in range(2)]
        first, second = (made(store, tmp_path) for store in stores)
        try:
            container = await first.create(exchange("me"), "a", ContainerFields())
            await first.run(container, "x = 1\nopen('a', 'w').write('first')")
            seen = await second.run(container, "open('a').read(), 'x' in globals()")
            assert seen.ran.value == "('first', False)"
            await second.run(container, "import os\nos.rename('a', 'b')")
            again = await first.run(container, "import os\nsorted(os.listdir()), x")
            assert again.ran.value == "(['b'], 1)"
        finally:
            for service, store in zip((first, second), stores, strict=True):
                await service.close()
                await store.close()

    asyncio.run(scenario())


@pytest.mark.usefixtures("confined")
def test_a_store_that_fails(tmp_path: Path) -> None:
    """The call fails, and the next one works."""
    store = Store(tmp_path)

    async def check(service: ContainerService) -> None:
        container = await service.create(exchange("me"), "a", ContainerFields())
        await service.run(container, "x = 1")
        writing = store.contents.blobs.put

        async def broken(data: bytes | bytearray) -> str:
            raise APIError("The disk is broken.")

        store.contents.blobs.put = broken  # type: ignore[method-assign]
        outcome = await service.run(container, "open('a', 'w').write('a')")
        assert outcome.notes == ["The file /mnt/data/a was not kept: The disk is broken."]
        store.contents.blobs.put = writing  # type: ignore[method-assign]
        outcome = await service.run(container, "x")
        assert (outcome.ran.value, [one.path for one in outcome.files]) == ("1", ["/mnt/data/a"])

    checked(store, tmp_path, check)
