"""Requests without a connection, by the whole app on the echo engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.applications import Starlette

from openedai.app import create_app
from openedai.config import ModelSpec
from openedai.contract.engine import Generator
from openedai.http.server.in_process import Answer
from openedai.identity import Identity
from tests.children import until
from tests.support import echo_settings

CHAT = "/v1/chat/completions"
MODELS = (
    ModelSpec(id="echo", engine="echo"),
    ModelSpec(id="one", engine="echo", options={"slots": 1}),
    ModelSpec(id="endless", engine="echo", options={"slots": 1, "delay": 3600}),
)


def within(go: Callable[[Starlette], Awaitable[None]], **settings: Any) -> None:
    """Run with an app, which is closed afterwards."""

    async def run() -> None:
        app = create_app(echo_settings(models=MODELS, **settings))
        async with app.router.lifespan_context(app):
            await go(app)

    asyncio.run(run())


def chat(model: str = "echo", **fields: Any) -> bytes:
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}], **fields}
    return json.dumps(body).encode()


async def perform(app: Starlette, body: bytes, path: str = CHAT) -> Answer:
    answer: Answer = await app.state.perform("POST", path, body, "batch_1", Identity())
    return answer


def counted(app: Starlette, route: str, status: int) -> float:
    labels = {"route": route, "status": str(status)}
    value = app.state.services.metrics.registry.get_sample_value("openedai_requests_total", labels)
    return value or 0.0


def running(app: Starlette, model: str) -> int:
    models = app.state.services.pool.snapshot().models
    return sum(one.running for one in models if one.id == model)


def waiting_for(app: Starlette, model: str) -> int:
    models = app.state.services.pool.snapshot().models
    return sum(one.waiting for one in models if one.id == model)


def test_it_is_answered_as_over_http_and_counted() -> None:
    async def go(app: Starlette) -> None:
        answer = await perform(app, chat())
        value = json.loads(answer.body)
        assert (answer.status, answer.media_type) == (200, "application/json")
        assert value["choices"][0]["message"]["content"] == "hello"
        assert answer.request_id.startswith("req_")
        assert counted(app, CHAT, 200) == 1

    within(go, api_key="secret")


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (CHAT, chat(temperature=9), 400, "decimal_above_max_value"),
        (CHAT, b"{", 400, None),
        (CHAT, chat("unknown"), 404, "model_not_found"),
        ("/v1/nothing", b"{}", 404, None),
        ("/v1/models", b"{}", 405, "method_not_supported"),
    ],
)
def test_errors_are_those_of_http(path: str, body: bytes, status: int, code: str | None) -> None:
    async def go(app: Starlette) -> None:
        answer = await perform(app, body, path)
        error = json.loads(answer.body)["error"]
        assert (answer.status, error["code"]) == (status, code)
        assert set(error) == {"message", "type", "param", "code"}

    within(go)


def test_the_limit_of_bodies_holds() -> None:
    async def go(app: Starlette) -> None:
        assert (await perform(app, chat(user="x" * 5000))).status == 413

    within(go, max_body_bytes=4096)


def test_a_cancelled_request_releases_its_slot() -> None:
    async def go(app: Starlette) -> None:
        task = asyncio.create_task(perform(app, chat("endless")))
        await until(lambda: running(app, "endless") == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert running(app, "endless") == 0
        assert counted(app, CHAT, 499) == 1

    within(go)


def test_it_gives_way_to_a_client_and_is_answered_afterwards() -> None:
    async def go(app: Starlette) -> None:
        pool = app.state.services.pool
        spec = app.state.services.catalog.resolve("endless").spec
        line = asyncio.create_task(perform(app, chat("endless")))
        await until(lambda: running(app, "endless") == 1)
        async with pool.lease(spec, Generator, "client"):
            assert counted(app, CHAT, 499) == 1
            assert not line.done()
        await until(lambda: running(app, "endless") == 1)
        line.cancel()
        await asyncio.wait({line})

    within(go)


def test_after_some_restarts_it_stays() -> None:
    async def go(app: Starlette) -> None:
        pool = app.state.services.pool
        spec = app.state.services.catalog.resolve("endless").spec
        line = asyncio.create_task(perform(app, chat("endless")))
        for _ in range(3):
            await until(lambda: running(app, "endless") == 1)
            async with pool.lease(spec, Generator, "client"):
                pass
        await until(lambda: running(app, "endless") == 1)

        async def client() -> None:
            async with pool.lease(spec, Generator, "client"):
                raise AssertionError("the line gave way")

        waiting = asyncio.create_task(client())
        await until(lambda: waiting_for(app, "endless") == 1)
        for _ in range(50):
            await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.wait({waiting})
        assert counted(app, CHAT, 499) == 3
        line.cancel()
        await asyncio.wait({line})

    within(go)
