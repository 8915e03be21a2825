"""Keys of the database: they count from the next request on, whoever makes or revokes them."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from openedai.errors import Unavailable
from openedai.security.uses import KeyUses
from openedai.store.database import Database
from openedai.store.keys.lookup import KeyLookup
from openedai.store.keys.records import ApiKeys
from openedai.store.keys.secret import PREFIX, digest_of, new_secret
from openedai.store.store import Store
from tests.security.keys import add_key, ask, revoke_key
from tests.support import ServerThread, echo_settings


def test_a_key_counts_while_it_is_valid(tmp_path: Path, database_url: str) -> None:
    settings = echo_settings(data=tmp_path, database=database_url or None)
    with ServerThread(settings) as server:
        assert ask(server, None).status == 200
        assert ask(server, "anything").status == 200
        key, secret = add_key(tmp_path, database_url)
        assert ask(server, secret).status == 200
        for wrong in (None, "anything", new_secret(), secret[:-1], f"{secret}x", "é"):
            assert ask(server, wrong).status == 401, wrong
        revoke_key(tmp_path, key.id, database_url)
        answer = ask(server, secret)
        assert answer.status == 401
        assert json.loads(answer.body)["error"]["code"] == "invalid_api_key"
        assert secret not in answer.body.decode()
        # it has had keys: that none is left does not open it
        assert ask(server, None).status == 401


def test_keys_of_the_settings_stay(tmp_path: Path) -> None:
    with ServerThread(echo_settings(data=tmp_path, api_key="of-the-settings")) as server:
        _, secret = add_key(tmp_path)
        for key, status in (("of-the-settings", 200), (secret, 200), (None, 401), ("x", 401)):
            assert ask(server, key).status == status


def test_a_key_expires(tmp_path: Path) -> None:
    with ServerThread(echo_settings(data=tmp_path)) as server:
        _, later = add_key(tmp_path, expires_at=time.time() + 3600)
        _, past = add_key(tmp_path, expires_at=time.time() - 1)
        assert ask(server, later).status == 200
        answer = ask(server, past)
        assert (answer.status, b"has expired" in answer.body) == (401, True)
        assert past.encode() not in answer.body


def test_a_database_of_an_older_server(tmp_path: Path) -> None:
    """Its keys are known by the first request, which brings the tables up to date."""
    _, secret = add_key(tmp_path)
    with closing(sqlite3.connect(tmp_path / "openedai.db")) as database:
        database.execute("alter table api_keys drop column limits")
        database.execute("alter table projects drop column storage_bytes")
        database.execute("delete from migrations where name='078-key-limits.sql'")
        database.commit()
    with ServerThread(echo_settings(data=tmp_path)) as server:
        assert ask(server, None).status == 401
        assert ask(server, secret).status == 200


def test_a_database_that_is_replaced(tmp_path: Path) -> None:
    def remove() -> None:
        for file in tmp_path.glob("openedai.db*"):
            file.unlink()

    async def known(lookup: KeyLookup, secret: str) -> tuple[bool, bool]:
        looked = await lookup.find(digest_of(secret).hex())
        return looked.needed, looked.key is not None

    async def scenario() -> None:
        lookup = KeyLookup(Store(tmp_path))
        _, first = await asyncio.to_thread(add_key, tmp_path)
        assert await known(lookup, first) == (True, True)
        await asyncio.to_thread(remove)
        assert await known(lookup, first) == (False, False)
        _, second = await asyncio.to_thread(add_key, tmp_path)
        assert await known(lookup, first) == (True, False)
        assert await known(lookup, second) == (True, True)
        lookup.close()

    asyncio.run(scenario())


def test_nothing_is_opened_without_a_database(tmp_path: Path) -> None:
    with ServerThread(echo_settings(data=tmp_path / "none")) as server:
        assert ask(server, "anything").status == 200
        assert not (tmp_path / "none").exists()


def test_keys_are_random_and_kept_as_digests(tmp_path: Path) -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(len(key) == len(PREFIX) + 43 for key in made)
    key, secret = add_key(tmp_path)
    assert key.hint.endswith(secret[-4:])
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("openedai.db*"))
    assert digest_of(secret).hex().encode() in kept
    assert secret.encode() not in kept
    assert secret[len(PREFIX) :].encode() not in kept


def test_when_a_key_was_used(tmp_path: Path, database_url: str) -> None:
    _, secret = add_key(tmp_path, database_url)
    settings = echo_settings(data=tmp_path, database=database_url or None)
    before = time.time()
    with ServerThread(settings) as server:
        for _ in range(3):
            assert ask(server, secret).status == 200
    store = Store(tmp_path, database_url)

    async def used() -> float | None:
        (key,) = await ApiKeys(store).all()
        await store.close()
        return key.last_used_at

    found = asyncio.run(used())
    assert found is not None
    assert before <= found <= time.time()


def test_uses_that_cannot_be_written_are_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Store):
        broken = True

        async def database(self) -> Database:
            if self.broken:
                raise Unavailable("The disk is full.")
            return await super().database()

    key, _ = add_key(tmp_path)
    store = Broken(tmp_path)

    async def main() -> float | None:
        uses = KeyUses(store)
        uses.note(key.id)
        await uses.close()
        await uses.close()
        store.broken = False
        await uses.close()
        found = await ApiKeys(store).find(key.id)
        await store.close()
        return found.last_used_at

    assert asyncio.run(main()) is not None
    assert caplog.messages == ["when keys were used cannot be written now: The disk is full."]


def test_a_public_server_without_keys_serves_nobody(tmp_path: Path) -> None:
    """They may all have been forgotten while it runs."""
    settings = echo_settings(data=tmp_path, host="0.0.0.0")
    with ServerThread(settings) as server:
        assert ask(server, None).status == 401
        assert ask(server, "anything").status == 401
