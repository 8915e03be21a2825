"""Keys made beside a server, as the command line makes them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from openedai.store.keys.records import ApiKey, ApiKeys
from openedai.store.store import Store
from tests.support import Answer, Running, fetch


def add_key(folder: Path, database_url: str = "", **fields: Any) -> tuple[ApiKey, str]:
    """A new key and its text."""

    async def add() -> tuple[ApiKey, str]:
        store = Store(folder, database_url)
        try:
            async with (await store.database()).write() as query:
                wanted = ApiKey(**{"project": "proj_1", "name": "mine", **fields})
                return await ApiKeys(store).insert(query, wanted)
        finally:
            await store.close()

    return asyncio.run(add())


def revoke_key(folder: Path, id: str, database_url: str = "") -> None:
    async def revoke() -> None:
        store = Store(folder, database_url)
        try:
            async with (await store.database()).write() as query:
                assert await ApiKeys(store).revoke(query, "id=$1", id) == [id]
        finally:
            await store.close()

    asyncio.run(revoke())


def ask(server: Running, key: str | None, path: str = "/v1/models") -> Answer:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    return fetch(f"{server.url}{path}", headers=headers)
