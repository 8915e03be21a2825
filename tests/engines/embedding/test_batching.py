from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.contract.embed import EmbedRequest, EmbedResult
from openedai.contract.generate import Text, Tokens
from openedai.engines.embedding.batching import (
    BatchedEmbedder,
    BatchQueue,
    Row,
    batch_tokens,
    encodable,
    wrap_tokens,
)
from openedai.errors import EngineFailed, InvalidRequest, Unavailable


def test_rows_of_like_length_run_together() -> None:
    queue = BatchQueue(max_tokens=100)
    queue.add(1, [10, 50, 9, 48, 2])
    assert queue.take() == [(1, 1), (1, 3)]
    assert queue.take() == [(1, 0), (1, 2)]
    assert queue.take() == [(1, 4)]
    assert queue.take() == []


def test_a_row_longer_than_the_budget_runs_alone() -> None:
    queue = BatchQueue(max_tokens=10)
    queue.add(1, [30, 30])
    assert queue.take() == [(1, 1)]
    assert queue.take() == [(1, 0)]


def test_requests_share_a_batch() -> None:
    queue = BatchQueue(max_tokens=40)
    queue.add(1, [10] * 100)
    queue.add(2, [9])
    queue.add(3, [8, 8])
    assert sorted(request for request, _ in queue.take()) == [1, 1, 2, 3]


def test_rows_are_limited_in_number() -> None:
    queue = BatchQueue(max_tokens=1000, max_rows=3)
    queue.add(1, [1] * 5)
    assert [len(queue.take()) for _ in range(3)] == [3, 2, 0]


def test_a_small_request_of_another_length_leads_the_second_batch() -> None:
    queue = BatchQueue(max_tokens=512)
    queue.add(1, [256] * 2048)
    queue.add(2, [3])
    assert [request for request, _ in queue.take()] == [1, 1]
    assert queue.take() == [(2, 0)]


def test_discarded_rows_do_not_run() -> None:
    queue = BatchQueue(max_tokens=10)
    queue.add(1, [10, 10, 10])
    queue.add(2, [10])
    assert queue.take() == [(1, 2)]
    queue.discard(1)
    queue.discard(7)
    assert queue.take() == [(2, 0)]
    assert queue.take() == []


def test_without_padding_tokens_alone_fill_a_batch() -> None:
    queue = BatchQueue(max_tokens=100, padded=False)
    queue.add(1, [40, 30, 20, 15, 10, 9])
    queue.add(2, [50])
    assert queue.take() == [(1, 0), (1, 1), (1, 2), (1, 4)]
    assert queue.take() == [(2, 0), (1, 3)]
    assert queue.take() == [(1, 5)]


LENGTHS = st.lists(st.integers(0, 600), max_size=40)


@given(
    requests=st.lists(LENGTHS, max_size=8),
    max_tokens=st.integers(1, 1024),
    max_rows=st.integers(1, 32),
    padded=st.booleans(),
)
def test_every_row_runs_once_within_the_budget(
    requests: list[list[int]], max_tokens: int, max_rows: int, padded: bool
) -> None:
    queue = BatchQueue(max_tokens, max_rows, padded=padded)
    for request, lengths in enumerate(requests):
        queue.add(request, lengths)
    seen: list[tuple[int, int]] = []
    while batch := queue.take():
        lengths = [requests[request][row] for request, row in batch]
        assert len(batch) <= max_rows
        cost = len(batch) * max(lengths) if padded else sum(lengths)
        assert len(batch) == 1 or cost <= max_tokens
        assert min(lengths) >= max(lengths) // (2 if padded else 4)
        seen += batch
    expected = {(request, row) for request, rows in enumerate(requests) for row in range(len(rows))}
    assert len(seen) == len(expected)
    assert set(seen) == expected


@given(st.lists(LENGTHS.filter(bool), min_size=1, max_size=8), st.integers(1, 1024))
def test_each_request_runs_within_as_many_batches_as_there_are(
    requests: list[list[int]], max_tokens: int
) -> None:
    queue = BatchQueue(max_tokens)
    for request, lengths in enumerate(requests):
        queue.add(request, lengths)
    served = {request for _ in requests for request, _ in queue.take()}
    assert served == set(range(len(requests)))


class Words(BatchedEmbedder):
    """A word a token; a vector is (tokens, batch). Texts with `bad` break their batch."""

    def __init__(
        self, tokens: int = 8, gate: threading.Event | None = None, cache: int = 0
    ) -> None:
        super().__init__("words", 2, tokens, cache)
        self.batches: list[list[str]] = []
        self.gate = gate
        self.entered = threading.Event()

    @property
    def pending(self) -> int:
        """Requests that wait for vectors."""
        return len(self._jobs)

    def prepare(self, inputs: Sequence[Text | Tokens], input_type: str | None) -> list[Row]:
        texts = [item.text if isinstance(item, Text) else "t " * len(item.ids) for item in inputs]
        return [Row(text, len(text.split())) for text in texts]

    def compute(self, rows: Sequence[Row]) -> Any:
        self.entered.set()
        if self.gate is not None:
            assert self.gate.wait(30)
        texts = [str(row.content) for row in rows]
        self.batches.append(texts)
        if any("bad" in text for text in texts):
            raise RuntimeError("bad text")
        return np.array([[row.tokens, len(self.batches)] for row in rows], np.float32)


def request(*texts: str, dimensions: int | None = None) -> EmbedRequest:
    return EmbedRequest(inputs=tuple(Text(text=text) for text in texts), dimensions=dimensions)


def vectors(result: EmbedResult) -> Any:
    return np.frombuffer(result.data, "<f4").reshape(-1, result.dimensions)


async def entered(engine: Words) -> None:
    assert await asyncio.to_thread(engine.entered.wait, 30)


async def submitted(engine: Words, *requests: EmbedRequest) -> list[asyncio.Task[EmbedResult]]:
    """Start the requests one after the other, and return when all wait for their rows."""
    tasks = []
    for number, item in enumerate(requests, 1 + engine.pending):
        tasks.append(asyncio.create_task(engine.embed(item)))
        while engine.pending < number:  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0)
    return tasks


def test_vectors_come_in_the_order_of_the_inputs() -> None:
    async def go() -> None:
        engine = Words()
        result = await engine.embed(request("a b c", "a", "a b c d", "a b"))
        assert vectors(result)[:, 0].tolist() == [3, 1, 4, 2]
        assert result.prompt_tokens == 10
        assert len(engine.batches) > 1
        empty = await engine.embed(request())
        assert (empty.data, empty.dimensions, empty.prompt_tokens) == (b"", 2, 0)
        await engine.close()

    asyncio.run(go())


def test_dimensions() -> None:
    async def go() -> None:
        engine = Words()
        whole = await engine.embed(request("a b c", dimensions=2))
        assert vectors(whole).tolist() == [[3, 1]]
        cut = await engine.embed(request("a b c", "", dimensions=1))
        assert vectors(cut).tolist() == [[1], [0]]
        for wrong in (0, -1, 3):
            with pytest.raises(InvalidRequest) as caught:
                await engine.embed(request("a", dimensions=wrong))
            assert caught.value.param == "dimensions"
        await engine.close()

    asyncio.run(go())


def gated(scenario: Callable[[Words, threading.Event], Any]) -> None:
    """Run a scenario whose first batch, a request of its own, waits for the gate."""

    async def go() -> None:
        gate = threading.Event()
        engine = Words(gate=gate)
        first = await submitted(engine, request("first"))
        await entered(engine)
        try:
            await scenario(engine, gate)
        finally:
            gate.set()
        await asyncio.gather(*first, return_exceptions=True)
        await engine.close()

    asyncio.run(go())


def test_requests_run_together() -> None:
    async def scenario(engine: Words, gate: threading.Event) -> None:
        tasks = await submitted(engine, request("a b"), request("c d"), request("e f", "g h"))
        gate.set()
        await asyncio.gather(*tasks)
        assert [sorted(batch) for batch in engine.batches] == [
            ["first"],
            ["a b", "c d", "e f", "g h"],
        ]

    gated(scenario)


def test_a_failing_batch_fails_its_requests_only() -> None:
    async def scenario(engine: Words, gate: threading.Event) -> None:
        good, bad = await submitted(
            engine, request("a b c d e f g h"), request("bad", "x y z t u v w o")
        )
        gate.set()
        assert vectors(await good)[0, 0] == 8
        with pytest.raises(EngineFailed, match="bad text"):
            await bad
        after = await engine.embed(request("still here"))
        assert vectors(after)[0, 0] == 2

    gated(scenario)


def test_a_cancelled_request_runs_no_further() -> None:
    async def scenario(engine: Words, gate: threading.Event) -> None:
        leaving, staying = await submitted(engine, request("gone", "gone too"), request("stays"))
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        gate.set()
        await staying
        assert engine.batches == [["first"], ["stays"]]
        assert engine.pending == 0

    gated(scenario)


def test_a_request_may_be_cancelled_while_its_batch_runs() -> None:
    async def scenario(engine: Words, gate: threading.Event) -> None:
        (waiting,) = await submitted(engine, request("a"))
        gate.set()
        await waiting
        gate.clear()
        engine.entered.clear()
        (running,) = await submitted(engine, request("b"))
        await entered(engine)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        gate.set()
        await engine.embed(request("c"))
        assert engine.batches[-2:] == [["b"], ["c"]]

    gated(scenario)


def test_close_fails_what_waits() -> None:
    async def scenario(engine: Words, gate: threading.Event) -> None:
        waiting = await submitted(engine, request("a"), request("b"))
        closing = asyncio.create_task(engine.close())
        for task in waiting:
            with pytest.raises(Unavailable):
                await task
        gate.set()
        await closing
        await engine.close()
        with pytest.raises(Unavailable):
            await engine.embed(request("late"))
        assert engine.batches == [["first"]]

    gated(scenario)


def test_memory_is_that_of_the_process() -> None:
    async def go() -> None:
        engine = Words()
        assert engine.memory() > 10 << 20
        await engine.close()

    asyncio.run(go())


def test_batch_tokens() -> None:
    assert batch_tokens("cpu", 1) == batch_tokens("cpu", 2) == 512
    assert batch_tokens("cpu", 16) == 4096
    assert batch_tokens("cuda", 2) == batch_tokens("cuda:1", 64) > 4096


@pytest.mark.parametrize(
    ("ids", "limit", "from_left", "expected"),
    [
        ([7, 8, 9], 10, False, [1, 7, 8, 9, 2, 3]),
        ([7, 8, 9], 5, False, [1, 7, 8, 2, 3]),
        ([7, 8, 9], 5, True, [1, 8, 9, 2, 3]),
        ([7, 8, 9], 3, True, [1, 2, 3]),
        ([7, 8, 9], 2, False, [1, 2, 3]),
        ([], 10, False, [1, 2, 3]),
    ],
)
def test_wrap_tokens(ids: list[int], limit: int, from_left: bool, expected: list[int]) -> None:
    probe, special = [1, 50, 2, 3], [1, 0, 1, 1]
    assert wrap_tokens(ids, probe, special, limit, from_left=from_left) == expected


def test_wrap_tokens_without_special_tokens() -> None:
    assert wrap_tokens([7, 8, 9], [50], [0], 2, from_left=False) == [7, 8]


def test_encodable() -> None:
    assert encodable("naïve 👍") == "naïve 👍"
    assert encodable("a\ud800b\udc00") == "a\ufffdb\ufffd"


@given(st.text(st.characters(exclude_categories=())))
def test_encodable_always_encodes(text: str) -> None:
    encodable(text).encode()


def test_recent_and_equal_inputs_are_computed_once() -> None:
    async def scenario() -> None:
        engine = Words(cache=1 << 20)
        first = vectors(await engine.embed(request("a", "b b", "a")))
        again = vectors(await engine.embed(request("b b", "c", "a")))
        await engine.close()
        assert sorted(text for batch in engine.batches for text in batch) == ["a", "b b", "c"]
        assert first[0].tolist() == first[2].tolist() == again[2].tolist()
        assert first[1].tolist() == again[0].tolist()

    asyncio.run(scenario())


def test_what_failed_is_computed_again() -> None:
    async def scenario() -> None:
        engine = Words(cache=1 << 20)
        for _ in range(2):
            with pytest.raises(EngineFailed):
                await engine.embed(request("bad"))
        await engine.close()
        assert engine.batches == [["bad"], ["bad"]]

    asyncio.run(scenario())
