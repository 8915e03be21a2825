"""Batches of rows from several requests, and the engines that run them."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from openedai.contract.embed import EmbedRequest, EmbedResult
from openedai.contract.engine import Embedder, Engine
from openedai.contract.generate import Text, Tokens
from openedai.engines.embedding.recent import RecentVectors, key_of
from openedai.errors import APIError, EngineFailed, InvalidRequest, Unavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_ROWS = 256
# More tokens do not make a core faster, and small requests would wait longer for large ones.
TOKENS_PER_THREAD = 256
GPU_TOKENS = 32768
# The reference's smallest divisor of a vector: a vector of zeros stays one.
SMALLEST_NORM = 1e-12


class BatchQueue:
    """The waiting rows, and the choice of the next batch.

    Requests take turns to lead a batch: so a request waits for at most as many batches as there
    are other requests, whatever their sizes. The leader's longest row is the length of the batch.
    Then every request in turn adds its longest row that fits, until the batch is full: down to half
    of that length, as shorter rows would be mostly padding, or to a quarter without padding.
    """

    def __init__(self, max_tokens: int, max_rows: int = MAX_ROWS, *, padded: bool = True) -> None:
        """`max_tokens` includes padding if rows are `padded`; a single row may have more."""
        self.max_tokens = max_tokens
        self.max_rows = max_rows
        self._padded = padded
        self._waiting: dict[int, _Rows] = {}

    def add(self, request: int, lengths: Sequence[int]) -> None:
        """Queue one row for each of `lengths`, in tokens; a row is identified by its index."""
        if lengths:
            self._waiting[request] = _Rows(lengths)

    def discard(self, request: int) -> None:
        """Drop the request's waiting rows, if there are any."""
        self._waiting.pop(request, None)

    def take(self) -> list[tuple[int, int]]:
        """The next batch, as (request, row); empty if nothing waits."""
        if not self._waiting:
            return []
        leader = next(iter(self._waiting))
        length = self._waiting[leader].longest
        shortest = length // 2 if self._padded else length // 4
        room = max(self.max_tokens, length)
        batch: list[tuple[int, int]] = []
        candidates = dict(self._waiting)
        while candidates:
            for request in list(candidates):
                fits = room >= (length if self._padded else 1) and len(batch) < self.max_rows
                longest = min(room, length) if fits else -1
                found = candidates[request].pop(shortest=shortest, longest=longest)
                if found is None:
                    del candidates[request]
                else:
                    batch.append((request, found.row))
                    room -= length if self._padded else found.tokens
        self._waiting[leader] = self._waiting.pop(leader)
        self._waiting = {key: rows for key, rows in self._waiting.items() if rows.lengths}
        return batch


class _Found(NamedTuple):
    row: int
    tokens: int


class _Rows:
    """One request's waiting rows, by length."""

    def __init__(self, lengths: Sequence[int]) -> None:
        self.order = sorted(range(len(lengths)), key=lengths.__getitem__)
        self.lengths = [lengths[row] for row in self.order]

    @property
    def longest(self) -> int:
        return self.lengths[-1]

    def pop(self, *, shortest: int, longest: int) -> _Found | None:
        """Remove the longest row between the two lengths, both included."""
        index = bisect_right(self.lengths, longest) - 1
        if index < 0 or self.lengths[index] < shortest:
            return None
        return _Found(self.order.pop(index), self.lengths.pop(index))


@dataclass(frozen=True)
class Row:
    """One input, ready to run. `tokens` is how many the model processes for it.

    `second` is where the second of two texts begins, if the model is told.
    """

    content: str | Sequence[int]
    tokens: int
    second: int | None = None


@dataclass(frozen=True)
class _Job:
    """A running request. `left` are the rows that are still missing in `vectors`."""

    rows: Sequence[Row]
    vectors: NDArray[np.float32]
    done: asyncio.Future[None]
    left: set[int] = field(default_factory=set)


class BatchedRows(Engine):
    """An engine that runs the rows of all requests together, in one thread.

    A subclass implements `compute`. Instances must be made inside the event loop.
    """

    slots = 64

    def __init__(
        self,
        model: str,
        width: int,
        batch_tokens: int,
        max_rows: int = MAX_ROWS,
        *,
        padded: bool = True,
    ) -> None:
        """`width` is how many numbers `compute` returns for each row; the rest is as in
        `BatchQueue`.
        """
        self.model = model
        self._width = width
        self._queue = BatchQueue(batch_tokens, max_rows, padded=padded)
        self._jobs: dict[int, _Job] = {}
        self._count = 0
        self._batches = 0
        self._closed = False
        self._awake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rows")
        self._running = asyncio.create_task(self._run())

    def compute(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """The numbers of one batch: [rows, width]. Runs in a thread."""
        raise NotImplementedError

    async def computed(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """The numbers of the rows of a request: [rows, width]. Cancelling it cancels the work."""
        import numpy as np

        if self._closed:
            raise self._unloaded()
        found = np.empty((len(rows), self._width), np.float32)
        if rows:
            await self._submit(rows, found)
        return found

    def memory(self) -> int:
        import psutil

        return int(psutil.Process().memory_info().rss)

    def progress(self) -> int:
        return self._batches

    async def close(self) -> None:
        """Waits for the running batch, as native code cannot be stopped. Other requests fail."""
        self._closed = True
        self._running.cancel()
        await asyncio.wait({self._running})
        for request in list(self._jobs):
            self._fail(request, self._unloaded())
        await asyncio.to_thread(self._thread.shutdown)

    async def _submit(self, rows: Sequence[Row], vectors: NDArray[np.float32]) -> None:
        self._count += 1
        number = self._count
        done = asyncio.get_running_loop().create_future()
        self._jobs[number] = _Job(rows, vectors, done, set(range(len(rows))))
        self._queue.add(number, [row.tokens for row in rows])
        self._awake.set()
        try:
            await done
        finally:
            self._jobs.pop(number, None)
            self._queue.discard(number)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._awake.wait()
            batch = self._queue.take()
            if not batch:
                self._awake.clear()
                continue
            rows = [self._jobs[request].rows[row] for request, row in batch]
            try:
                vectors = await loop.run_in_executor(self._thread, self.compute, rows)
                self._batches += 1
                self._deliver(batch, vectors)
            except Exception as error:
                for request, _ in batch:
                    self._fail(request, self._failure(error))

    def _deliver(self, batch: Sequence[tuple[int, int]], vectors: NDArray[np.float32]) -> None:
        for (request, row), vector in zip(batch, vectors, strict=True):
            job = self._jobs.get(request)
            if job is None:
                continue
            job.vectors[row] = vector
            job.left.discard(row)
            if not job.left and not job.done.done():
                job.done.set_result(None)

    def _fail(self, request: int, error: APIError) -> None:
        self._queue.discard(request)
        job = self._jobs.get(request)
        if job is not None and not job.done.done():
            job.done.set_exception(error)

    def _failure(self, error: Exception) -> APIError:
        if isinstance(error, APIError):
            return error
        return EngineFailed(f"The model `{self.model}` failed: {error}")

    def _unloaded(self) -> APIError:
        return Unavailable(f"The model `{self.model}` is being unloaded.", retry_after=1)


class BatchedEmbedder(BatchedRows, Embedder):
    """An embedder whose rows are computed in batches. A subclass implements `prepare` too."""

    def __init__(
        self,
        model: str,
        dimensions: int,
        batch_tokens: int,
        cache: int = 0,
        max_rows: int = MAX_ROWS,
        *,
        padded: bool = True,
    ) -> None:
        """`dimensions` is the length of the vectors that `compute` returns. `cache` is how many
        bytes recent vectors may take. The rest is as in `BatchQueue`.
        """
        super().__init__(model, dimensions, batch_tokens, max_rows, padded=padded)
        self.dimensions = dimensions
        self._recent = RecentVectors(cache)

    def prepare(self, inputs: Sequence[Text | Tokens], input_type: str | None) -> list[Row]:
        """The inputs as rows, in their order. Runs in a thread. Raises InvalidRequest for token ids
        that do not exist, and for an unknown type of input.
        """
        raise NotImplementedError

    async def embed(self, request: EmbedRequest) -> EmbedResult:
        dimensions = self._checked(request.dimensions)
        rows = await asyncio.to_thread(self.prepare, request.inputs, request.input_type)
        vectors = await self._vectors(rows)
        if dimensions < self.dimensions:
            vectors = normalised(vectors[:, :dimensions])
        return EmbedResult(
            data=vectors.astype("<f4", copy=False).tobytes(),
            dimensions=dimensions,
            prompt_tokens=sum(row.tokens for row in rows),
        )

    async def _vectors(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """The vectors of the rows. Unknown ones are computed, equal rows only once."""
        import numpy as np

        keys = [key_of(row.content) for row in rows]
        found = {key: vector for key in keys if (vector := self._recent.get(key)) is not None}
        missing = {key: row for key, row in zip(keys, rows, strict=True) if key not in found}
        new = await self.computed([*missing.values()])
        for key, vector in zip(missing, new, strict=True):
            found[key] = vector
            self._recent.put(key, vector)
        return np.stack([found[key] for key in keys]) if keys else new

    def _checked(self, dimensions: int | None) -> int:
        if dimensions is None:
            return self.dimensions
        if not 1 <= dimensions <= self.dimensions:
            raise InvalidRequest(
                f"Invalid value for 'dimensions': the vectors of the model `{self.model}` have "
                f"1 to {self.dimensions}.",
                code="invalid_value",
                param="dimensions",
            )
        return dimensions


def normalised(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Each row of [rows, dimensions] at length 1; zeros stay zeros."""
    import numpy as np

    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, SMALLEST_NORM), np.float32)


def batch_tokens(device: str, threads: int) -> int:
    """The default size of a batch, in tokens."""
    return TOKENS_PER_THREAD * max(2, threads) if device == "cpu" else GPU_TOKENS


def wrap_tokens(
    ids: Sequence[int],
    probe: Sequence[int],
    special: Sequence[int],
    limit: int,
    *,
    from_left: bool,
) -> list[int]:
    """`ids` between the special tokens that the tokenizer puts around a text, `limit` at most.

    `probe` are the ids of any short text; `special` is 1 for those that are special tokens.
    `from_left` cuts the beginning of `ids` instead of the end.
    """
    body = [index for index, is_special in enumerate(special) if not is_special]
    prefix = probe[: body[0]] if body else probe
    suffix = probe[body[-1] + 1 :] if body else []
    room = max(0, limit - len(prefix) - len(suffix))
    kept = ids[max(0, len(ids) - room) :] if from_left else ids[:room]
    return [*prefix, *kept, *suffix]


def shared(first: int, second: int, room: int) -> tuple[int, int]:
    """How many tokens of two texts are kept: the longer one is cut first, until both are equally
    long.
    """
    if first + second <= room:
        return first, second
    if first > second:
        shorter, longer = shared(second, first, room)
        return longer, shorter
    kept = min(first, room // 2)
    return kept, room - kept


def invalid_token(token: int, vocabulary: int, *, param: str = "input") -> InvalidRequest:
    """The error for a token id outside of a vocabulary of that size."""
    return InvalidRequest(
        f"Invalid token id {token}: the model's vocabulary has the ids 0 to {vocabulary - 1}.",
        code="invalid_value",
        param=param,
    )


def encodable(text: str) -> str:
    """`text` with lone surrogates, which UTF-8 cannot encode, replaced by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
