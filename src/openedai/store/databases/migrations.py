"""The tables, made and changed by the files of `schema`, in the order of their names.

Each runs once. The database keeps the digests, so a file is never changed after a release.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.resources import files

from openedai.errors import APIError
from openedai.store.database import Database


def schema() -> dict[str, str]:
    """The SQL of each migration by its name."""
    found = files("openedai.store").joinpath("schema").iterdir()
    texts = {one.name: one.read_text("utf-8") for one in found if one.name.endswith(".sql")}
    return dict(sorted(texts.items()))


async def migrate(database: Database, steps: Mapping[str, str]) -> None:
    """Run the missing migrations in one transaction; other servers wait meanwhile.

    Raises APIError for a database that a newer server has migrated.
    """
    async with database.write() as query:
        await database.lock_schema(query)
        await query.run(
            "create table if not exists migrations(name text primary key, digest text not null)"
        )
        done: dict[str, str] = dict(await query("select name, digest from migrations"))
        if unknown := sorted(done.keys() - steps.keys()):
            raise APIError(
                f"The database is newer than this server: it has {unknown[-1]}. Use a newer "
                "version of the server, or another database."
            )
        for name, sql in steps.items():
            digest = hashlib.sha256(sql.encode()).hexdigest()
            if name in done:
                if done[name] != digest:
                    raise APIError(f"The database was made with another {name} than this server's.")
                continue
            for statement in filter(str.strip, sql.split(";")):
                await query.run(statement)
            await query.run("insert into migrations values($1, $2)", name, digest)
