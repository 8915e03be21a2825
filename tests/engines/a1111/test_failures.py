"""What a client gets when web UIs fail, as in the table of docs/images.md, and what is left."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any

import pytest

from openedai.contract.images import PartialImage
from openedai.engines.a1111.engine import A1111
from openedai.errors import APIError, EngineFailed, Unavailable
from tests.children import until
from tests.docs.pages import section, tables
from tests.engines.a1111.running import FAST, loaded
from tests.engines.image_servers.failing import (
    limits,
    nothing,
    outcome,
    outcomes,
    raw,
    silent,
    stopped,
)
from tests.engines.image_servers.running import CAT, changed, made
from tests.engines.image_servers.webui import WebUI, webui
from tests.engines.image_servers.webui_bodies import OutOfMemoryError
from tests.engines.upstream import faults
from tests.engines.upstream.faults import Peer, ReceivedRequest


@asynccontextmanager
async def fake(**fields: Any) -> AsyncIterator[str]:
    async with webui(**fields) as server:
        yield server.url


@asynccontextmanager
async def held(task: Callable[[WebUI], Awaitable[None]]) -> AsyncIterator[str]:
    """A web UI that stops in the middle of an image; then `task` runs."""
    async with webui() as server, stopped(server.jobs.steps, partial(task, server)):
        yield server.url


async def no_answers(server: WebUI) -> None:
    server.silent = True


async def wait(server: WebUI) -> None:
    await asyncio.Event().wait()


@asynccontextmanager
async def busy() -> AsyncIterator[str]:
    """A web UI that works on another client's image, and goes on with it."""
    async with webui() as server:
        server.jobs.steps.hold = 5
        async with loaded(server.url) as other:
            task = asyncio.create_task(made(other))
            await server.jobs.steps.held.wait()
            yield server.url
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def answers(body: Any) -> faults.Fault:
    async def answer(peer: Peer, request: ReceivedRequest) -> None:
        await peer.answer(200, json.dumps(body).encode(), content_type="application/json")

    return answer


def image(data: bytes) -> dict[str, Any]:
    return {"images": [base64.b64encode(data).decode()], "info": "{}"}


FAULTS: dict[str, Callable[[], Any]] = {
    "Nothing listens": nothing,
    "No answer to anything": silent,
    "It works on another client's image for `busy_timeout`": busy,
    "A wrong user or password": lambda: fake(credentials=("user", "secret")),
    "It runs without `--api`": lambda: fake(api=False),
    "A checkpoint that it does not have": lambda: fake(checkpoints=("another",)),
    "Status 500": lambda: fake(failure=RuntimeError("mat1 and mat2 shapes cannot be multiplied")),
    "Its GPU has too little memory": lambda: fake(failure=OutOfMemoryError()),
    "Status 503, from a proxy": lambda: raw(faults.is_overloaded),
    "A redirect": lambda: raw(faults.redirects),
    "A web page with status 200": lambda: raw(faults.sends_a_web_page),
    "The connection is reset": lambda: raw(faults.resets),
    "An answer without an image": lambda: raw(answers({"images": [], "info": "{}"})),
    "An image that is damaged": lambda: raw(answers(image(b"\x89PNG\r\n\x1a\nno"))),
    "An answer without an end": lambda: raw(never_ends),
    "It dies in the middle of an image": lambda: held(WebUI.die),
    "It says nothing for `idle_timeout`": lambda: held(no_answers),
    "No image within `timeout`": lambda: held(wait),
}


async def never_ends(peer: Peer, request: ReceivedRequest) -> None:
    if "progress" in request.path:
        await peer.answer(200, b"{}")
        return
    await peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while True:
        await peer.send(b" " * (1 << 20))


def recorded() -> dict[str, list[str]]:
    (table,) = tables(section("docs/images.md", "When a web UI fails"))
    return {row[0]: row[1:] for row in table}


def test_the_table_has_every_fault() -> None:
    assert list(recorded()) == list(FAULTS)


@pytest.mark.parametrize("name", FAULTS)
def test_the_outcome_is_that_of_the_table(name: str) -> None:
    options: dict[str, Any] = {**limits(name)}
    if "checkpoint" in name:
        options["checkpoint"] = "v1-5-pruned-emaonly"
    found = asyncio.run(outcomes(FAULTS[name], fake, loaded, **options))
    assert found == recorded()[name]


@pytest.mark.parametrize(
    "fields", [{}, {"flavour": "forge"}, {"flavour": "sdnext"}, {"tasks_known": False}]
)
@pytest.mark.parametrize("begun", [False, True], ids=["before", "after"])
def test_a_client_that_leaves_interrupts_its_image(begun: bool, fields: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with webui(**fields) as server, loaded(server.url) as engine:
            server.jobs.steps.hold = 5
            events = engine.make_images(changed(CAT, partial_images=2 if begun else 0, count=3))
            task = asyncio.ensure_future(anext(events))
            await server.jobs.steps.held.wait()
            if begun:
                server.jobs.steps.hold = 15
                server.jobs.steps.wake()
                assert isinstance(await task, PartialImage)
                await events.aclose()
            else:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            await until(lambda: server.jobs.done == 1 and not engine.replicas.all[0].running)
            assert server.count("interrupt") >= 1
            assert server.count("txt2img") == 1
            server.jobs.steps.resume()
            assert await outcome(engine) == "the image"

    asyncio.run(scenario())


def test_an_image_that_is_too_slow_is_interrupted() -> None:
    async def scenario() -> None:
        async with webui() as server, loaded(server.url, timeout=0.1) as engine:
            server.jobs.steps.hold = 5
            with pytest.raises(Unavailable, match=r"no image within 0\.1 seconds"):
                await made(engine)
            await until(lambda: server.jobs.done == 1)
            assert server.count("interrupt") >= 1

    asyncio.run(scenario())


def test_closing_the_engine_interrupts_its_images() -> None:
    async def scenario() -> None:
        async with webui() as server:
            engine = await A1111.load("ours", None, {"url": server.url, **FAST})
            server.jobs.steps.hold = 5
            task = asyncio.create_task(made(engine))
            await server.jobs.steps.held.wait()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await engine.close()
            await engine.close()
            assert server.jobs.done == 1
            assert not engine.replicas.all[0].running

    asyncio.run(scenario())


def test_another_clients_image_is_never_interrupted() -> None:
    """The client leaves while its request is queued behind an image that was begun meanwhile."""

    async def scenario() -> None:
        async with webui() as server, loaded(server.url) as ours, loaded(server.url) as theirs:
            server.jobs.steps.hold = 5
            other = asyncio.create_task(made(theirs))
            await server.jobs.steps.held.wait()
            server.hides_its_work = True  # as if theirs had begun just after we looked
            mine = asyncio.create_task(made(ours))
            await until(lambda: len(server.jobs.pending) == 1)
            server.hides_its_work = False
            mine.cancel()
            await asyncio.gather(mine, return_exceptions=True)
            await until(lambda: server.received[-1][0] == "/internal/progress")
            assert server.count("interrupt") == 0
            server.jobs.steps.hold = 15  # theirs goes on, and then ours is interrupted
            server.jobs.steps.wake()
            await server.jobs.steps.held.wait()
            assert server.count("interrupt") == 0
            server.jobs.steps.resume()
            assert len((await other).images) == 1
            await until(lambda: server.jobs.done == 2 and not ours.replicas.all[0].running)

    asyncio.run(scenario())


def test_a_request_waits_while_the_web_ui_is_busy() -> None:
    async def scenario() -> None:
        async with webui() as server, loaded(server.url) as ours, loaded(server.url) as theirs:
            server.jobs.steps.hold = 5
            other = asyncio.create_task(made(theirs))
            await server.jobs.steps.held.wait()
            asked = server.count("progress")
            mine = asyncio.create_task(made(ours))
            await until(lambda: server.count("progress") >= asked + 3)
            assert server.count("txt2img") == 1
            server.jobs.steps.resume()
            assert len((await mine).images) == len((await other).images) == 1

    asyncio.run(scenario())


def test_two_requests_use_two_web_uis_at_once() -> None:
    async def scenario() -> None:
        async with (
            webui() as first,
            webui() as second,
            loaded(first.url, second.url) as engine,
        ):
            assert engine.slots == 2
            for server in (first, second):
                server.jobs.steps.hold = 5
            tasks = [asyncio.create_task(made(engine)) for _ in range(2)]
            for server in (first, second):
                await server.jobs.steps.held.wait()
                server.jobs.steps.resume()
            await asyncio.gather(*tasks)
            assert first.count("txt2img") == second.count("txt2img") == 1

    asyncio.run(scenario())


def test_partial_images_are_not_counted_anew_on_another_web_ui() -> None:
    async def scenario() -> None:
        async with webui() as bad, webui() as good, loaded(bad.url, good.url) as engine:
            bad.jobs.steps.hold = 15
            good.jobs.steps.seconds = 0.02
            request = changed(CAT, partial_images=2)
            async with aclosing(engine.make_images(request)) as events:
                first = await anext(events)
                assert isinstance(first, PartialImage)
                await bad.die()
                numbers = [event.number async for event in events if hasattr(event, "number")]
            assert (first.number, *numbers) in ((0, 1), (0,))
            assert good.count("txt2img") == 1

    asyncio.run(scenario())


def test_a_web_ui_that_is_down_is_left_out_until_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        async with webui() as first, webui() as second:
            port = int(first.url.rpartition(":")[2])
            await first.die()
            async with loaded(first.url, second.url, health_interval=0.02) as engine:
                assert await outcome(engine) == "the image"
                await until(lambda: "is down" in caplog.text)
                assert await outcome(engine) == "the image"
                assert second.count("txt2img") == 2
                await first.start(port)
                await until(lambda: "is back" in caplog.text)
                assert await outcome(engine) == "the image"
                assert first.count("txt2img") == 1

    with caplog.at_level(logging.INFO):
        asyncio.run(scenario())


def test_the_user_and_password_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBUI_AUTH", "user:secret")

    async def scenario() -> None:
        async with (
            webui(credentials=("user", "secret")) as server,
            loaded(server.url, auth="$WEBUI_AUTH") as engine,
        ):
            assert await outcome(engine) == "the image"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "either `url` or `urls`"),
        ({"url": "webui:7860"}, "http://"),
        ({"url": "http://user:secret@127.0.0.1"}, "no user"),
        ({"url": "http://127.0.0.1", "auth": "secret"}, "user:password"),
        ({"url": "http://127.0.0.1", "auth": "$UNSET_VARIABLE"}, "UNSET_VARIABLE"),
        ({"url": "http://127.0.0.1", "size": "512"}, "size"),
        ({"url": "http://127.0.0.1", "step": 3}, "step"),
    ],
)
def test_wrong_options(options: dict[str, Any], words: str) -> None:
    with pytest.raises(EngineFailed, match=words) as caught:
        asyncio.run(A1111.load("ours", None, options))
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("flavour", ["a1111", "sdnext"])
def test_error_texts_have_no_internals(flavour: str) -> None:
    async def scenario() -> str:
        failure = RuntimeError("/opt/x.py")
        async with (
            webui(flavour=flavour, failure=failure) as server,
            loaded(server.url) as engine,
        ):
            with pytest.raises(APIError) as caught:
                await made(engine)
            return caught.value.message

    message = asyncio.run(scenario())
    assert "RuntimeError" not in message
    assert "/opt" not in message


def test_a_single_web_ui_is_used_again_at_once() -> None:
    async def scenario() -> None:
        async with webui(failure=RuntimeError()) as server, loaded(server.url) as engine:
            assert await outcome(engine) == "502"
            server.failure = None
            assert await outcome(engine) == "the image"

    asyncio.run(scenario())
