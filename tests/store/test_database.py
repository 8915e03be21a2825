"""Both databases: transactions, cancelling, migrations."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Coroutine, Generator
from pathlib import Path
from typing import Any

import pytest

from openedai.errors import APIError, InvalidRequest, Unavailable
from openedai.store.database import Database
from openedai.store.databases.migrations import migrate, schema
from openedai.store.databases.sqlite import Sqlite
from openedai.store.store import Store
from tests.databases import new_database

TABLE = {"1.sql": "create table t(id text primary key, n bigint, x double precision)"}


def run(store: Store, scenario: Coroutine[Any, Any, None]) -> None:
    async def closing() -> None:
        try:
            await scenario
        finally:
            await store.close()

    asyncio.run(closing())


async def table(store: Store) -> Database:
    database = await store.database()
    async with database.write() as query:
        await query(TABLE["1.sql"])
    return database


def test_rows_are_tuples_of_what_was_written(store: Store) -> None:
    async def scenario() -> None:
        database = await table(store)
        async with database.write() as query:
            written = await query("insert into t values($1, $2, $3) returning id", "é\n'", 2**40, 3)
            await query.many("insert into t values($1, $2, $3)", [("b", None, None), ("c", 1, 1)])
        assert written == [("é\n'",)]
        rows = await database.read("select id, n, x from t order by id")
        assert rows == [("b", None, None), ("c", 1, 1.0), ("é\n'", 2**40, 3.0)]

    run(store, scenario())


def test_a_failed_transaction_leaves_nothing(store: Store) -> None:
    async def scenario() -> None:
        database = await table(store)

        async def fail() -> None:
            async with database.write() as query:
                await query("insert into t(id) values('a')")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        assert await database.read("select id from t") == []

    run(store, scenario())


def test_statements_are_run_in_their_order(store: Store) -> None:
    async def scenario() -> None:
        database = await table(store)
        async with database.write() as query:
            await query.run("insert into t(id, n) values('a', 1)")
            await query.many("insert into t(id, n) values($1, $2)", [("b", 2), ("c", 3)])
            await query.many("insert into t(id, n) values($1, 9)", [])
            assert await query("select id, n from t order by id") == [("a", 1), ("b", 2), ("c", 3)]
            await query.run("update t set n=$1 where id=$2", 7, "a")
            await query.run("delete from t where n < $1", 3)
        assert await database.read("select id, n from t order by id") == [("a", 7), ("c", 3)]

    run(store, scenario())


@pytest.mark.parametrize("last", ["select 1", None])
def test_a_failed_statement_undoes_those_before_and_after_it(
    store: Store, last: str | None
) -> None:
    async def scenario() -> None:
        database = await table(store)

        async def insert_twice() -> None:
            async with database.write() as query:
                await query.run("insert into t(id) values('a')")
                await query.run("insert into t(id) values('a')")
                await query.run("insert into t(id) values('b')")
                if last is not None:
                    await query(last)

        with pytest.raises(Exception, match=r"(?i)unique"):
            await insert_twice()
        assert await database.read("select id from t") == []
        async with database.write() as query:
            await query.run("insert into t(id) values('c')")
        assert await database.read("select id from t") == [("c",)]

    run(store, scenario())


def test_a_transaction_without_rows_waits_once(tmp_path: Path) -> None:
    """Each waiting is a change of threads, which costs more than the statements."""
    store = Store(tmp_path)

    async def scenario() -> None:
        database = await table(store)

        async def insert() -> None:
            async with database.write() as query:
                await query.run("insert into t(id) values('a')")
                await query.many("insert into t(id) values($1)", [("b",), ("c",)])

        assert await waits(insert()) == 1
        assert await database.read("select id from t order by id") == [("a",), ("b",), ("c",)]

    run(store, scenario())


async def waits(coroutine: Coroutine[Any, Any, None]) -> int:
    """How often the coroutine waits for something."""

    class Counted:
        times = 0

        def __await__(self) -> Generator[Any, Any, None]:
            try:
                while True:
                    waited_for = coroutine.send(None)
                    self.times += 1
                    yield waited_for
            except StopIteration:
                return

    counted = Counted()
    await counted
    return counted.times


def test_a_task_cancelled_at_any_await_leaves_the_writer_usable(store: Store) -> None:
    """Cancelled at every await in turn: a row exists only if the whole transaction was made."""

    async def scenario() -> None:
        database = await table(store)

        async def insert(name: str) -> None:
            async with database.write() as query:
                await query("insert into t(id, n) values($1, 1)", name)
                await query.run("insert into t(id, n) values($1, 2)", f"{name}.")
                await query("select 1")
                await query.run("insert into t(id, n) values($1, 3)", f"{name}..")

        for steps in range(14):
            task = asyncio.create_task(insert(f"t{steps}"))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            async with database.write() as query:
                await query("insert into t(id) values($1)", f"after {steps}")
        count = "select count(*) from t where n = $1"
        ones, twos, threes = [await database.read(count, n) for n in (1, 2, 3)]
        assert ones == twos == threes
        assert await database.read("select count(*) from t where n is null") == [(14,)]

    run(store, scenario())


def test_writers_wait_for_each_other(store: Store) -> None:
    async def scenario() -> None:
        database = await table(store)
        async with database.write() as query:
            await query("insert into t(id, n) values('a', 0)")

        async def add() -> None:
            async with database.write() as query:
                ((n,),) = await query(f"select n from t where id='a'{database.for_update}")
                await query("update t set n=$1 where id='a'", n + 1)

        await asyncio.gather(*(add() for _ in range(20)))
        assert await database.read("select n from t") == [(20,)]

    run(store, scenario())


def test_the_clock(store: Store) -> None:
    async def scenario() -> None:
        database = await store.database()
        ((one,),) = await database.read(f"select {database.now}")
        ((two,),) = await database.read(f"select {database.now}")
        assert 1.7e9 < one <= two < one + 60

    run(store, scenario())


def test_migrations_run_once_and_are_compared(store: Store) -> None:
    async def scenario() -> None:
        database = await store.database()
        steps = schema() | {"900.sql": TABLE["1.sql"]}
        await migrate(database, steps)
        await migrate(database, steps)
        with pytest.raises(APIError, match=r"newer than this server: it has 900\.sql"):
            await migrate(database, schema())
        with pytest.raises(APIError, match=r"made with another 900\.sql"):
            await migrate(database, schema() | {"900.sql": "select 1"})

    run(store, scenario())


def test_a_failed_migration_leaves_nothing(store: Store) -> None:
    async def scenario() -> None:
        database = await store.database()
        bad = schema() | {"900.sql": TABLE["1.sql"] + "; insert into t values(1, 2, 3, 4, 5)"}
        with pytest.raises(Exception, match="columns"):
            await migrate(database, bad)
        await migrate(database, schema() | {"900.sql": TABLE["1.sql"]})

    run(store, scenario())


OPENING = """
import asyncio, pathlib, sys
from openedai.store.store import Store
from tests.databases import new_database
store = Store(pathlib.Path(sys.argv[1]), sys.argv[2])
async def main():
    database = await store.database()
    print(len(await database.read("select * from migrations")))
    await store.close()
sys.stdin.readline()
asyncio.run(main())
"""


def test_several_servers_start_at_once(tmp_path: Path, database_url: str) -> None:
    command = [sys.executable, "-c", OPENING, str(tmp_path / "new"), database_url]
    pipe = subprocess.PIPE
    servers = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(3)]
    for server in servers:
        assert server.stdin is not None
        server.stdin.write("\n")
        server.stdin.flush()
    outputs = [server.communicate(timeout=60)[0].strip() for server in servers]
    assert outputs == [str(len(schema()))] * 3


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    database = Sqlite(tmp_path / "file" / "db")

    async def scenario() -> None:
        with pytest.raises(Unavailable):
            await database.read("select 1")
        await database.close()

    asyncio.run(scenario())


def test_a_postgres_that_is_not_there() -> None:
    store = Store(Path("unused"), "postgresql://nobody@127.0.0.1:1/none")

    async def scenario() -> None:
        with pytest.raises(Unavailable):
            await store.database()

    run(store, scenario())


def test_a_nul_that_postgres_does_not_take(postgres: str) -> None:
    store = Store(Path("unused"), new_database(postgres))

    async def insert(database: Database) -> None:
        async with database.write() as query:
            await query.run("insert into t(id) values($1)", "a\0")

    async def scenario() -> None:
        database = await table(store)
        with pytest.raises(InvalidRequest, match="NUL"):
            await database.read("select id from t where id=$1", "a\0")
        with pytest.raises(InvalidRequest, match="NUL"):
            await insert(database)
        assert await database.read("select id from t") == []

    run(store, scenario())


def test_lost_connections_to_postgres_are_made_again(postgres: str) -> None:
    """Also those that are lost in a transaction: it is undone, and the next one works."""
    store = Store(Path("unused"), new_database(postgres))
    end = "select pg_terminate_backend(pid) from pg_stat_activity where datname=current_database()"

    async def insert(database: Database, *, killed: bool = False) -> None:
        async with database.write() as query:
            await query("insert into t(id) values('a')")
            if killed:
                await query(end)

    async def scenario() -> None:
        database = await table(store)
        others = f"{end} and pid <> pg_backend_pid()"
        await asyncio.gather(*(database.read("select pg_sleep(0.05)") for _ in range(4)))
        await database.read(others)
        assert await asyncio.gather(*(database.read("select 1") for _ in range(4))) == [[(1,)]] * 4
        with pytest.raises(Unavailable):
            await insert(database, killed=True)
        assert await database.read("select id from t") == []
        await database.read(others)
        await insert(database)
        assert await database.read("select id from t") == [("a",)]

    run(store, scenario())


def test_nothing_is_made_before_the_first_use(tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    assert not store.exists
    assert not (tmp_path / "data").exists()
    run(store, store.close())


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "openedai.db").write_text("no database, but of some length" * 99)
    store = Store(tmp_path)
    with pytest.raises(APIError, match="damaged"):
        asyncio.run(store.check())
