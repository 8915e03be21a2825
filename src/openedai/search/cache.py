"""The copy of a vector store that one machine searches. It may be deleted at any moment.

A folder has an SQLite file, with the chunks and an index of their words, and a file of vectors,
which grows at its end. The vectors of removed files stay in it until they are the majority; then
everything is read again. The transactions of SQLite say which vectors are valid: what a killed
server left after them is cut off. A folder that was deleted, even in part, is not made again: one
with a new name replaces it, so that no server sees files of both.

Nothing here awaits. Only one thread and one process at a time change a cache: the caller holds the
lock.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from openedai.search.segments import Segment
from openedai.search.view import CachedFile, View
from openedai.search.words import indexed

_FILE = "cache.db"
_NAME_BYTES = 8  # of the random name of a folder
_FLOAT_BYTES = 4
_PAGE = 200
_MOST_FREQUENCIES = 10_000
# With fewer dead vectors than this nothing is read again.
_LEAST_DEAD = 4096
_SCHEMA = """
pragma journal_mode=wal;
pragma synchronous=off;
create table if not exists state(
  format, dimensions, revision, generation, rows, chunks
);
create table if not exists files(
  file text primary key, segment text, filename text, attributes text,
  first_row integer, rows integer, first_chunk integer, chunks integer, owners blob
);
create table if not exists chunks(id integer primary key, text text);
create virtual table if not exists words using fts5(
  body, content='', tokenize='porter unicode61 remove_diacritics 2'
);
"""
_FORMAT = 1


@dataclass
class _State:
    dimensions: int
    revision: int = 0
    generation: int = 0
    rows: int = 0
    chunks: int = 0


@dataclass(frozen=True)
class AddedFile:
    """A file of the store; `segment` is the id of its segment."""

    file: str
    segment: str
    filename: str
    attributes: Mapping[str, str | float | bool]


class Cache:
    """The cache in a folder inside `place`; a new one is made if there is no usable one."""

    def __init__(self, place: Path, dimensions: int) -> None:
        self._dimensions = dimensions
        self._lock = threading.Lock()
        self._view: View | None = None
        self._vectors: int | None = None
        self._frequencies: dict[tuple[str, int], int] = {}
        self._folder = self._open_first(place)
        _delete_others(place, self._folder)

    @property
    def revision(self) -> int:
        """The revision of the store when it was last read, as far as this process knows."""
        return self._state.revision

    @property
    def size(self) -> int:
        """The size of the vectors, in bytes."""
        return self._state.rows * self._dimensions * _FLOAT_BYTES

    def is_there(self) -> bool:
        """Whether the folder still has the files that are open in this process."""
        try:
            database, vectors = (self._folder / _FILE).stat(), self._vector_file().stat()
        except OSError:
            return False
        assert self._vectors is not None
        return database.st_ino == self._inode and os.path.samestat(vectors, os.fstat(self._vectors))

    def reload(self) -> None:
        """Notice what other processes have done."""
        with self._lock:
            generation = self._state.generation
            self._frequencies.clear()
            self._read_state()
            if self._state.generation != generation:
                self._open_vectors()

    def has(self, file: str, segment: str) -> bool:
        """Whether the cache has this segment of the file."""
        with self._lock:
            found = self._db.execute("select segment from files where file=?", (file,)).fetchone()
        return bool(found == (segment,))

    def add(self, added: AddedFile, segment: Segment) -> None:
        """Add a file; it replaces an earlier version of itself."""
        vectors, chunks = segment.vectors(), segment.chunks()
        with self._writing() as state:
            self._remove(added.file)
            assert self._vectors is not None
            os.ftruncate(self._vectors, state.rows * self._dimensions * _FLOAT_BYTES)
            _append(self._vectors, vectors.astype("<f4").tobytes())
            first = state.chunks
            self._db.executemany("insert into chunks values(?, ?)", enumerate(chunks, start=first))
            self._db.executemany(
                "insert into words(rowid, body) values(?, ?)",
                enumerate(map(indexed, chunks), start=first),
            )
            self._db.execute(
                "insert into files values(?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(added.file, added.segment, added.filename, json.dumps(added.attributes)),
                    *(state.rows, len(vectors), first, len(chunks), _owners(segment.owners)),
                ),
            )
            state.rows += len(vectors)
            state.chunks += len(chunks)

    def set_attributes(self, added: AddedFile) -> None:
        """Change the attributes of a file that is in the cache."""
        with self._writing():
            self._db.execute(
                "update files set attributes=? where file=?",
                (json.dumps(added.attributes), added.file),
            )

    def remove(self, files: Sequence[str]) -> None:
        with self._writing():
            for file in files:
                self._remove(file)

    def finish(self, revision: int) -> bool:
        """Note that everything up to this revision was added. False if everything has to be read
        again, from revision 0 on.
        """
        with self._writing() as state:
            ((live,),) = self._db.execute("select coalesce(sum(rows), 0) from files")
            sparse = state.rows - live > max(live, _LEAST_DEAD)
            if sparse:
                self._clear(state)
            else:
                state.revision = revision
        if sparse:
            self._open_vectors()
        return not sparse

    def view(self) -> View:
        """A view to search; it stays as it is while the cache changes."""
        with self._lock:
            state = self._state
            if self._view is None or self._view.revision != state.revision:
                files = [
                    _cached(row)
                    for row in self._db.execute("select * from files order by first_row")
                ]
                assert self._vectors is not None
                self._view = View(
                    state.revision, files, self._vectors, state.rows, self._dimensions
                )
            return self._view

    def texts(self, ids: Sequence[int]) -> dict[int, str]:
        """The chunks with these ids, without those that no longer exist."""
        found: dict[int, str] = {}
        with self._lock:
            for start in range(0, len(ids), _PAGE):
                part = ids[start : start + _PAGE]
                marks = ", ".join("?" * len(part))
                found |= self._db.execute(
                    f"select id, text from chunks where id in ({marks})", part
                ).fetchall()
        return found

    def matches(self, expression: str, limit: int) -> list[tuple[int, float]]:
        """The chunks that match an FTS5 expression: ids and BM25 scores, the best first."""
        with self._lock:
            return self._db.execute(
                "select rowid, -bm25(words) from words where words match ? order by rank limit ?",
                (expression, limit),
            ).fetchall()

    def frequency(self, expression: str, limit: int) -> int:
        """How many chunks match, counted up to `limit`."""
        with self._lock:
            known = self._frequencies.get((expression, limit))
            if known is None:
                ((known,),) = self._db.execute(
                    "select count(*) from (select 1 from words where words match ? limit ?)",
                    (expression, limit),
                )
                if len(self._frequencies) < _MOST_FREQUENCIES:
                    self._frequencies[expression, limit] = known
            return int(known)

    def close(self) -> None:
        with self._lock:
            self._close()

    def _open_first(self, place: Path) -> Path:
        """Open the first usable cache, or else a new one. Returns its folder."""
        for path in sorted(place.glob(f"*/{_FILE}")):
            self._folder = path.parent
            try:
                self._open("rw")
                return self._folder
            except (sqlite3.DatabaseError, OSError):
                self._close()
                shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = place / secrets.token_hex(_NAME_BYTES)
        self._folder.mkdir(mode=0o700, parents=True)
        self._open("rwc")
        return self._folder

    def _open(self, mode: str) -> None:
        """With the mode `rw` the file is not created."""
        path = self._folder / _FILE
        self._db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            timeout=30,
            isolation_level=None,
            check_same_thread=False,
            uri=True,
        )
        self._db.executescript(_SCHEMA)
        self._inode = path.stat().st_ino
        self._read_state()
        self._open_vectors()

    def _close(self) -> None:
        self._view = None
        if self._vectors is not None:
            os.close(self._vectors)
            self._vectors = None
        if hasattr(self, "_db"):
            self._db.close()

    def _read_state(self) -> None:
        row = self._db.execute("select * from state").fetchone()
        if row is None:
            self._db.execute(
                "insert into state values(?, ?, 0, 0, 0, 0)", (_FORMAT, self._dimensions)
            )
            row = self._db.execute("select * from state").fetchone()
        if row[:2] != (_FORMAT, self._dimensions):
            raise sqlite3.DatabaseError("this cache is of another server")
        self._state = _State(*row[1:])

    def _open_vectors(self) -> None:
        if self._vectors is not None:
            os.close(self._vectors)
        self._vectors = os.open(self._vector_file(), os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        if os.fstat(self._vectors).st_size < self.size:
            raise OSError("the file of vectors is too short")
        self._view = None

    def _vector_file(self) -> Path:
        return self._folder / f"vectors-{self._state.generation}"

    @contextmanager
    def _writing(self) -> Iterator[_State]:
        """A transaction; the state is written at its end."""
        with self._lock:
            before = _State(**vars(self._state))
            self._frequencies.clear()
            self._db.execute("begin immediate")
            try:
                yield self._state
                state = self._state
                self._db.execute(
                    "update state set revision=?, generation=?, rows=?, chunks=?",
                    (state.revision, state.generation, state.rows, state.chunks),
                )
                self._db.execute("commit")
            except BaseException:
                self._state = before
                self._db.execute("rollback")
                raise

    def _remove(self, file: str) -> None:
        found = self._db.execute(
            "delete from files where file=? returning first_chunk, chunks", (file,)
        ).fetchall()
        for first, count in found:
            span = (first, first + count)
            self._db.executemany(
                "insert into words(words, rowid, body) values('delete', ?, ?)",
                [
                    (id, indexed(text))
                    for id, text in self._db.execute(
                        "select id, text from chunks where id>=? and id<?", span
                    )
                ],
            )
            self._db.execute("delete from chunks where id>=? and id<?", span)

    def _clear(self, state: _State) -> None:
        """Forget everything. The old file of vectors is still mapped by views."""
        for table in ("files", "chunks"):
            self._db.execute(f"delete from {table}")
        self._db.execute("insert into words(words) values('delete-all')")
        self._vector_file().unlink(missing_ok=True)
        state.revision, state.rows, state.chunks = 0, 0, 0
        state.generation += 1


def _delete_others(place: Path, kept: Path) -> None:
    """Delete what is left of other caches. Whoever has one of them open can use it until they close
    it.
    """
    for folder in place.iterdir():
        if folder.is_dir() and folder != kept:
            shutil.rmtree(folder, ignore_errors=True)


def _append(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _owners(indices: Sequence[int]) -> bytes:
    import numpy as np

    return np.asarray(indices, "<i4").tobytes()


def _cached(row: tuple[str, str, str, str, int, int, int, int, bytes]) -> CachedFile:
    file, _, filename, attributes, first_row, rows, first_chunk, _, owners = row
    return CachedFile(file, filename, json.loads(attributes), first_row, rows, first_chunk, owners)
