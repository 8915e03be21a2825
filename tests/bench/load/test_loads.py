"""Loads that go on until they are stopped, and what is counted of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from bench.figures import SUBJECT
from bench.load.client import LoadError, Target
from bench.load.loads import EMBEDDED_TEXTS, Answer, Chats, Embeddings, rates
from openedai.config import ModelSpec
from tests.support import Running, ServerThread, echo_settings


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with ServerThread(echo_settings()) as running:
        yield running


@pytest.fixture
def target(server: Running) -> Target:
    return Target(SUBJECT, f"{server.url}/v1", "echo")


def chats(*answers: Answer) -> Chats:
    load = Chats(Target(SUBJECT, "http://127.0.0.1:1/v1", "none"), 1, "seed", 8)
    load.answers = list(answers)
    return load


def test_chunks_count_where_they_came() -> None:
    load = chats(Answer([0.5, 1.0, 1.5], tokens=3), Answer([1.9, 2.0]))
    assert load.done(1.0, 2.0) == 3


def test_chunks_of_several_tokens_count_as_many() -> None:
    load = chats(Answer([1.0, 1.5], tokens=6), Answer([1.7], tokens=None))
    assert load.done(1.0, 2.0) == 9


def test_gaps_that_reach_into_the_stretch() -> None:
    load = chats(Answer([1.0, 1.2, 3.0, 3.5]), Answer([2.9, 4.0]), Answer([2.0]))
    assert load.gaps(1.1, 3.2) == pytest.approx([0.2, 1.8, 0.5, 1.1])
    assert load.gaps(3.7, 3.9) == pytest.approx([1.1])


def test_a_request_counts_with_its_share_of_the_stretch() -> None:
    load = Embeddings(Target(SUBJECT, "http://127.0.0.1:1/v1", "none"), 1, "seed")
    load.requests = [(0.0, 2.0), (2.0, 3.0), (3.0, 7.0), (8.0, 9.0)]
    assert load.done(1.0, 4.0) == pytest.approx(EMBEDDED_TEXTS * (0.5 + 1 + 0.25))


def test_loads_run_together_until_they_are_counted(target: Target) -> None:
    chat, text = Chats(target, 2, "chat", 8), Embeddings(target, 2, "text")
    assert all(rate > 0 for rate in asyncio.run(rates([chat, text], 0.1)))
    assert sum(answer.tokens is not None for answer in chat.answers) >= 2
    assert len(text.requests) >= 2


def test_a_stretch_without_anything_is_not_nothing() -> None:
    model = ModelSpec(id="stuck", engine="echo", options={"delay": 1000})
    with ServerThread(echo_settings(models=(model,), chat_model="stuck")) as running:
        stuck = Target(SUBJECT, f"{running.url}/v1", "stuck")
        (rate,) = asyncio.run(rates([Chats(stuck, 1, "seed", 8)], 0.1, 0.1))
    assert 0 < rate <= 5


def test_every_client_has_begun(target: Target) -> None:
    async def go() -> int:
        load = Chats(target, 3, "seed", 8)
        async with load.running():
            await load.started()
            return sum(bool(answer.arrivals) for answer in load.answers)

    assert asyncio.run(go()) >= 3


def test_an_error_of_a_client_is_raised(target: Target) -> None:
    unknown = Target(SUBJECT, target.url, "unknown")
    with pytest.raises(LoadError, match="model_not_found"):
        asyncio.run(rates([Chats(unknown, 1, "seed", 8)], 0.1, 0.1))
