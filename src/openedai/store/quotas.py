"""How many bytes of files are stored, in total and by owner."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from openedai.errors import InvalidRequest
from openedai.store.database import Database, Query, Row

Read = Callable[..., Awaitable[Sequence[Row]]]

_ALL = "all"
_NO_LIMIT = 2**63 - 1


@dataclass(frozen=True)
class FileLimits:
    """Limits in bytes. 0 means no limit, except for `file`, the limit of every single file.
    `owners` have their own limits; what is stored for a project takes precedence over both.
    """

    file: int = 512 << 20
    all_files: int = 0
    owner: int = 0
    owners: Mapping[str, int] = field(default_factory=dict)


class Quotas:
    """The sums are rows that are changed in the same transaction as the files, so they are always
    exact.
    """

    def __init__(self, limits: FileLimits) -> None:
        self.limits = limits

    async def room(self, database: Database, owner: str) -> int:
        """How many bytes the owner may add now. Raises InvalidRequest if there is no room."""
        rooms = [_NO_LIMIT]
        for name, limit in await self._sums(database.read, owner):
            used = await database.read("select bytes from file_usage where owner=$1", name)
            rooms.append(limit - (used[0][0] if used else 0) if limit else _NO_LIMIT)
        if min(rooms) <= 0:
            raise self.exceeded()
        return min(rooms)

    async def add(self, query: Query, owner: str, size: int, *, enforced: bool = True) -> None:
        """Count bytes that are added, or removed if `size` is negative.

        Raises InvalidRequest if there are too many.
        """
        for name, limit in await self._sums(query, owner):
            await query.run("insert into file_usage values($1, 0) on conflict do nothing", name)
            ((used,),) = await query(
                "update file_usage set bytes=bytes+$1 where owner=$2 returning bytes", size, name
            )
            if enforced and limit and size > 0 and used > limit:
                raise self.exceeded()

    def exceeded(self) -> InvalidRequest:
        return InvalidRequest(
            "There is no room for this file: the limit of the bytes of all files, or of those of "
            "your key, is reached. Delete files that are no longer needed.",
            code="storage_quota_exceeded",
            param="file",
        )

    async def _sums(self, read: Read, owner: str) -> Sequence[tuple[str, int]]:
        """The limits by what they limit, always in the same order, so that no two transactions wait
        for each other.
        """
        own = self.limits.owners.get(owner, self.limits.owner)
        for (stored,) in await read("select storage_bytes from projects where id=$1", owner):
            own = own if stored is None else stored
        return ((_ALL, self.limits.all_files), (f"key:{owner}", own))
