"""What a client gets when ComfyUI fails, as in the table of docs/images.md, and what is left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from openedai.contract.images import PartialImage
from openedai.engines.comfyui.engine import ComfyUI
from openedai.errors import APIError, EngineFailed, Unavailable
from tests.children import until
from tests.docs.pages import section, tables
from tests.engines.comfyui.running import FAST, loaded
from tests.engines.image_servers.comfy import Comfy, comfyui
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
from tests.engines.image_servers.webui_bodies import OutOfMemoryError
from tests.engines.upstream import faults


@asynccontextmanager
async def fake(**fields: Any) -> AsyncIterator[str]:
    async with comfyui(**fields) as server:
        yield server.url


@asynccontextmanager
async def held(task: Callable[[Comfy], Awaitable[None]]) -> AsyncIterator[str]:
    """A ComfyUI that stops in the middle of an image; then `task` runs."""
    async with comfyui() as server, stopped(server.steps, partial(task, server)):
        yield server.url


async def no_answers(server: Comfy) -> None:
    server.silent = True


async def forget(server: Comfy) -> None:
    server.forgets = True
    server.steps.resume()


async def interrupt(server: Comfy) -> None:
    server.interrupt()


async def wait(server: Comfy) -> None:
    await asyncio.Event().wait()


@asynccontextmanager
async def busy() -> AsyncIterator[str]:
    """A ComfyUI that works on another client's image, and goes on with it."""
    async with comfyui() as server, loaded(server.url) as other:
        server.steps.hold = 5
        task = asyncio.create_task(made(other))
        await server.steps.held.wait()
        yield server.url
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


FAULTS: dict[str, Callable[[], Any]] = {
    "Nothing listens": nothing,
    "No answer to anything": silent,
    "It works on others' images for `busy_timeout`": busy,
    "A node fails": lambda: fake(failure=RuntimeError("mat1 and mat2 shapes differ")),
    "Its GPU has too little memory": lambda: fake(failure=OutOfMemoryError()),
    "Status 500": lambda: raw(faults.fails),
    "Status 503, from a proxy": lambda: raw(faults.is_overloaded),
    "A redirect": lambda: raw(faults.redirects),
    "A web page with status 200": lambda: raw(faults.sends_a_web_page),
    "The connection is reset": lambda: raw(faults.resets),
    "It dies in the middle of an image": lambda: held(Comfy.die),
    "It is started anew in the middle of an image": lambda: held(forget),
    "Someone interrupts the image": lambda: held(interrupt),
    "It says nothing for `idle_timeout`": lambda: held(no_answers),
    "No image within `timeout`": lambda: held(wait),
}


def recorded() -> dict[str, list[str]]:
    (table,) = tables(section("docs/images.md", "When ComfyUI fails"))
    return {row[0]: row[1:] for row in table}


def test_the_table_has_every_fault() -> None:
    assert list(recorded()) == list(FAULTS)


@pytest.mark.parametrize("name", FAULTS)
def test_the_outcome_is_that_of_the_table(name: str) -> None:
    found = asyncio.run(outcomes(FAULTS[name], fake, loaded, **limits(name)))
    assert found == recorded()[name]


@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize("begun", [False, True], ids=["before", "after"])
def test_a_client_that_leaves_interrupts_its_image(begun: bool, targeted: bool) -> None:
    async def scenario() -> None:
        async with comfyui(targeted=targeted) as server, loaded(server.url) as engine:
            server.steps.hold = 15 if begun else 5
            events = engine.make_images(changed(CAT, partial_images=2 if begun else 0, count=3))
            task = asyncio.ensure_future(anext(events))
            await server.steps.held.wait()
            if begun:
                assert isinstance(await task, PartialImage)
                await events.aclose()
            else:
                await until(lambda: server.count("/queue") >= 2)  # it has the id
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            await until(lambda: server.idle and not engine.replicas.all[0].running)
            assert server.count("/interrupt") >= 1
            assert server.count("/prompt") == 1
            assert server.history == {}
            server.steps.resume()
            assert await outcome(engine) == "the image"

    asyncio.run(scenario())


def test_a_client_that_leaves_the_queue_disturbs_nobody() -> None:
    async def scenario() -> None:
        async with comfyui() as server, loaded(server.url) as ours, loaded(server.url) as theirs:
            server.steps.hold = 5
            other = asyncio.create_task(made(theirs))
            await server.steps.held.wait()
            mine = asyncio.create_task(made(ours))
            await until(lambda: len(server.pending) == 1)
            mine.cancel()
            await asyncio.gather(mine, return_exceptions=True)
            await until(lambda: not server.pending)
            assert server.count("/interrupt") == 0
            server.steps.resume()
            assert len((await other).images) == 1

    asyncio.run(scenario())


def test_a_request_waits_in_the_queue() -> None:
    async def scenario() -> None:
        async with comfyui() as server, loaded(server.url) as ours, loaded(server.url) as theirs:
            server.steps.hold = 5
            other = asyncio.create_task(made(theirs))
            await server.steps.held.wait()
            mine = asyncio.create_task(made(ours))
            await until(lambda: len(server.pending) == 1)
            server.steps.resume()
            assert len((await mine).images) == len((await other).images) == 1

    asyncio.run(scenario())


def test_two_requests_use_two_servers_at_once() -> None:
    async def scenario() -> None:
        async with (
            comfyui() as first,
            comfyui() as second,
            loaded(first.url, second.url) as engine,
        ):
            assert engine.slots == 2
            for server in (first, second):
                server.steps.hold = 5
            tasks = [asyncio.create_task(made(engine)) for _ in range(2)]
            for server in (first, second):
                await server.steps.held.wait()
                server.steps.resume()
            await asyncio.gather(*tasks)
            assert first.count("/prompt") == second.count("/prompt") == 1

    asyncio.run(scenario())


def test_an_image_that_is_too_slow_is_interrupted() -> None:
    async def scenario() -> None:
        async with comfyui() as server, loaded(server.url, timeout=0.1) as engine:
            server.steps.hold = 5
            with pytest.raises(Unavailable, match=r"no image within 0\.1 seconds"):
                await made(engine)
            await until(lambda: server.idle)

    asyncio.run(scenario())


def test_closing_the_engine_interrupts_its_images() -> None:
    async def scenario() -> None:
        async with comfyui() as server:
            engine = await ComfyUI.load("ours", None, {"url": server.url, **FAST})
            server.steps.hold = 5
            task = asyncio.create_task(made(engine))
            await server.steps.held.wait()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await engine.close()
            await engine.close()
            await until(lambda: server.idle)
            assert not engine.replicas.all[0].running

    asyncio.run(scenario())


def test_error_texts_have_no_internals() -> None:
    async def scenario() -> str:
        failure = RuntimeError("/opt/x.py")
        async with comfyui(failure=failure) as server, loaded(server.url) as engine:
            with pytest.raises(APIError) as caught:
                await made(engine)
            return caught.value.message

    message = asyncio.run(scenario())
    assert message == "The ComfyUI of the model `ours` failed in a node `KSampler`."


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "either `url` or `urls`"),
        ({"url": "comfy:8188"}, "http://"),
        ({"url": "http://127.0.0.1", "headers": {"X-Key": "$UNSET_VARIABLE"}}, "UNSET_VARIABLE"),
        ({"url": "http://127.0.0.1", "slots": {"a": []}}, "slots"),
        ({"url": "http://127.0.0.1", "step": 3}, "step"),
    ],
)
def test_wrong_options(options: dict[str, Any], words: str) -> None:
    with pytest.raises(EngineFailed, match=words):
        asyncio.run(ComfyUI.load("ours", None, options))
