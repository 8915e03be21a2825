"""Images of a web UI for the official client, with `SD_WEBUI_URL` as the only setting."""

from __future__ import annotations

import asyncio
import base64
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from openai import BadRequestError, NotFoundError
from PIL import Image

from tests.engines.image_servers.fake_image import png
from tests.engines.image_servers.running import drawing, left_half, opened_image
from tests.engines.image_servers.webui import WebUI
from tests.support import Running, ServerThread, echo_settings, wait_until


@contextmanager
def webui_in_a_thread() -> Iterator[WebUI]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = WebUI()
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(30)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(server.jobs.steps.resume)
        asyncio.run_coroutine_threadsafe(server.die(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[WebUI, Running]]:
    """The web UI, and a server with its model."""
    with webui_in_a_thread() as webui:
        settings = echo_settings(sd_webui_url=webui.url)
        with ServerThread(settings) as server:
            yield webui, server


def decoded(text: str | None) -> Image.Image:
    return opened_image(base64.b64decode(text or ""))


def test_generate(both: tuple[WebUI, Running]) -> None:
    _, server = both
    answer = server.client().images.generate(
        model="dall-e-3", prompt="a cat", size="1024x1024", response_format="b64_json"
    )
    assert answer.data is not None
    assert decoded(answer.data[0].b64_json).size == (1024, 1024)


def test_official_parameters_without_effect_are_not_sent(both: tuple[WebUI, Running]) -> None:
    _, server = both
    client = server.client()
    answer = client.images.generate(
        model="dall-e-3",
        prompt="a cat",
        user="me",
        response_format="b64_json",
        extra_body={"safety_identifier": "me", "clip_skip": 2},
    )
    assert answer.data
    with pytest.raises(BadRequestError) as failed:
        client.images.generate(model="dall-e-3", prompt="a cat", extra_body={"mood": "sad"})
    assert (failed.value.code, failed.value.param) == ("unknown_parameter", "mood")


def test_a_stream_has_partial_images(both: tuple[WebUI, Running]) -> None:
    webui, server = both
    webui.jobs.steps.seconds = 0.1
    events = server.client().images.generate(
        model="gpt-image-1", prompt="a cat", stream=True, partial_images=1
    )
    types = [event.type for event in events]
    webui.jobs.steps.seconds = 0
    assert types == ["image_generation.partial_image", "image_generation.completed"]


def test_an_edit_keeps_what_the_mask_protects(both: tuple[WebUI, Running]) -> None:
    _, server = both
    source = drawing()
    answer = server.client().images.edit(
        model="gpt-image-1",
        image=("cat.png", io.BytesIO(png(source)), "image/png"),
        mask=("mask.png", io.BytesIO(left_half()), "image/png"),
        prompt="a dog",
    )
    assert answer.data is not None
    image = decoded(answer.data[0].b64_json).convert("RGB")
    assert image.crop((32, 0, 64, 64)).tobytes() == source.crop((32, 0, 64, 64)).tobytes()
    assert image.crop((0, 0, 32, 64)).tobytes() != source.crop((0, 0, 32, 64)).tobytes()


def test_a_client_that_leaves_interrupts_its_image(both: tuple[WebUI, Running]) -> None:
    webui, server = both
    before = webui.count("interrupt")
    webui.jobs.steps.hold = 15
    events = server.client().images.generate(
        model="gpt-image-1", prompt="a cat", stream=True, partial_images=1
    )
    assert next(iter(events)).type == "image_generation.partial_image"
    events.close()
    wait_until(lambda: webui.count("interrupt") > before and not webui.jobs.state.job)


def test_an_unknown_model(both: tuple[WebUI, Running]) -> None:
    _, server = both
    with pytest.raises(NotFoundError):
        server.client().images.generate(model="nothing", prompt="a cat")
