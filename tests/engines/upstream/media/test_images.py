"""Images by an upstream: what it is sent, and what its answers become."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from openai.types import ImageEditStreamEvent, ImageGenStreamEvent, ImagesResponse
from PIL import Image
from pydantic import TypeAdapter

from openedai.contract.images import (
    ImageEvent,
    ImageRequest,
    ImagesFinish,
    ImageUsage,
    MadeImage,
    PartialImage,
)
from openedai.engines.upstream.engine import Upstream
from openedai.errors import APIError, BadGateway, InvalidRequest, Unsupported
from tests.engines.upstream.faults import Fault, FaultyServer, ReceivedRequest, faulty_server
from tests.engines.upstream.media import hosted
from tests.engines.upstream.media.hosted import image_events, sends, streams
from tests.engines.upstream.media.media_engine import ask, collected
from tests.images.files import file_of, noise, pixels_of

CIRCLE = ImageRequest(prompt="a circle")
SOURCE = file_of(noise(16, 16, seed=2))
USAGE = ImageUsage(input_text_tokens=10, input_image_tokens=40, output_tokens=100)
MADE = MadeImage(index=0, data=hosted.IMAGE)


def exchange(
    fault: Fault, request: ImageRequest = CIRCLE, **options: Any
) -> tuple[list[ImageEvent], ReceivedRequest]:
    async def scenario(
        engine: Upstream, other: FaultyServer
    ) -> tuple[list[ImageEvent], ReceivedRequest]:
        events = await collected(engine.make_images(request))
        (received,) = other.requests
        return events, received

    return ask(fault, scenario, **options)


def events_of(fault: Fault, request: ImageRequest = CIRCLE, **options: Any) -> list[ImageEvent]:
    return exchange(fault, request, **options)[0]


@pytest.mark.parametrize("previews", [0, 2])
def test_the_double_answers_as_the_hosted_api(previews: int) -> None:
    assert not ImagesResponse.model_validate(hosted.IMAGES).model_extra
    kinds: dict[str, Any] = {
        "image_generation": ImageGenStreamEvent,
        "image_edit": ImageEditStreamEvent,
    }
    for prefix, kind in kinds.items():
        for event in image_events(prefix, previews):
            assert not TypeAdapter(kind).validate_python(event).model_extra


def test_a_plain_request() -> None:
    events, received = exchange(sends(hosted.IMAGES))
    assert received.path == "/v1/images/generations"
    assert received.body == {"model": "theirs", "prompt": "a circle", "n": 1}
    assert events == [MADE, ImagesFinish(usage=USAGE)]


FULL = ImageRequest(
    prompt="a circle",
    count=2,
    size=(64, 32),
    format="webp",
    compression=80,
    quality="high",
    style="vivid",
    background="opaque",
    moderation="low",
    extra={"user": "me", "lora": [1]},
)


def test_every_parameter_is_sent() -> None:
    two = {**hosted.IMAGES, "data": [{"b64_json": hosted.ENCODED}] * 2}
    events, received = exchange(sends(two), FULL)
    assert received.body == {
        "model": "theirs",
        "prompt": "a circle",
        "n": 2,
        "size": "64x32",
        "output_format": "webp",
        "output_compression": 80,
        "quality": "high",
        "style": "vivid",
        "background": "opaque",
        "moderation": "low",
        "user": "me",
        "lora": [1],
    }
    assert [event.index for event in events if isinstance(event, MadeImage)] == [0, 1]


LOCAL: dict[str, Any] = {
    "negative_prompt": "blue",
    "steps": 4,
    "guidance_scale": 2.5,
    "seed": 7,
    "strength": 0.5,
    "sampler": "Euler",
}


@pytest.mark.parametrize(
    ("server", "names"),
    [
        ("openedai", {name: name for name in LOCAL}),
        (
            "vllm",
            {
                "negative_prompt": "negative_prompt",
                "steps": "num_inference_steps",
                "guidance_scale": "guidance_scale",
                "seed": "seed",
            },
        ),
        (
            "textgen",
            {
                "negative_prompt": "negative_prompt",
                "steps": "steps",
                "guidance_scale": "cfg_scale",
                "seed": "image_seed",
            },
        ),
        ("openai", {}),
    ],
)
def test_parameters_of_diffusion_models(server: str, names: dict[str, str]) -> None:
    for name, value in LOCAL.items():
        request = ImageRequest(prompt="a circle", **{name: value})
        if name in names:
            body = exchange(sends(hosted.IMAGES), request, server=server)[1].body
            assert body[names[name]] == value
        else:
            with pytest.raises(Unsupported) as caught:
                events_of(sends(hosted.IMAGES), request, server=server)
            assert (caught.value.code, caught.value.param) == ("unsupported_parameter", name)


def test_other_servers_are_asked_for_files_and_not_for_urls() -> None:
    body = exchange(sends(hosted.IMAGES), server="openedai")[1].body
    assert body["response_format"] == "b64_json"


def test_an_edit_is_a_form() -> None:
    mask = Image.new("L", (16, 16), 0)
    mask.paste(255, (4, 4, 8, 8))
    request = ImageRequest(
        prompt="a circle",
        task="edit",
        images=(SOURCE,),
        mask=file_of(mask),
        fidelity="high",
        size=(16, 16),
    )
    events, received = exchange(sends(hosted.IMAGES), request)
    assert events == [MADE, ImagesFinish(usage=USAGE)]
    assert received.path == "/v1/images/edits"
    assert received.body == {
        "model": ["theirs"],
        "prompt": ["a circle"],
        "n": ["1"],
        "size": ["16x16"],
        "input_fidelity": ["high"],
    }
    image, sent_mask = received.files
    assert image == ("image", "image-1.png", "image/png", SOURCE)
    assert sent_mask[:3] == ("mask", "mask.png", "image/png")
    pixels = pixels_of(sent_mask[3])
    assert pixels.mode == "RGBA"
    assert pixels.getpixel((5, 5)) == (255, 255, 255, 0)
    assert pixels.getpixel((0, 0)) == (0, 0, 0, 255)


def test_an_edit_of_several_images() -> None:
    request = ImageRequest(prompt="a circle", task="edit", images=(SOURCE, hosted.IMAGE))
    received = exchange(sends(hosted.IMAGES), request)[1]
    assert [(name, content) for name, *_, content in received.files] == [
        ("image[]", SOURCE),
        ("image[]", hosted.IMAGE),
    ]


def test_a_variation_has_no_prompt() -> None:
    request = ImageRequest(prompt="", task="vary", images=(SOURCE,), extra={"user": "me"})
    received = exchange(sends(hosted.IMAGES), request)[1]
    assert received.path == "/v1/images/variations"
    assert received.body == {"model": ["theirs"], "n": ["1"], "user": ["me"]}
    assert received.files == (("image", "image-1.png", "image/png", SOURCE),)


def test_a_prompt_that_was_revised_and_no_usage() -> None:
    item = {"b64_json": hosted.ENCODED, "revised_prompt": "a round circle"}
    assert events_of(sends({"created": 1, "data": [item]})) == [
        MadeImage(index=0, data=hosted.IMAGE, revised_prompt="a round circle"),
        ImagesFinish(),
    ]


@pytest.mark.parametrize("task", ["generate", "edit"])
def test_previews(task: Any) -> None:
    prefix = "image_generation" if task == "generate" else "image_edit"
    images = (SOURCE,) if task == "edit" else ()
    request = ImageRequest(prompt="a circle", task=task, images=images, partial_images=2)
    events, received = exchange(streams(*image_events(prefix, 2)), request)
    assert received.body["stream"] == (["true"] if task == "edit" else True)
    assert received.body["partial_images"] == (["2"] if task == "edit" else 2)
    assert events == [
        PartialImage(index=0, number=0, data=hosted.IMAGE),
        PartialImage(index=0, number=1, data=hosted.IMAGE),
        MADE,
        ImagesFinish(usage=USAGE),
    ]


def test_previews_of_several_images() -> None:
    request = ImageRequest(prompt="a circle", count=2, partial_images=1)
    two = [*image_events("image_generation", 1), *image_events("image_generation", 1)]
    events = events_of(streams(*two), request)
    assert events == [
        PartialImage(index=0, number=0, data=hosted.IMAGE),
        MADE,
        PartialImage(index=1, number=0, data=hosted.IMAGE),
        MadeImage(index=1, data=hosted.IMAGE),
        ImagesFinish(
            usage=ImageUsage(input_text_tokens=20, input_image_tokens=80, output_tokens=200)
        ),
    ]


def test_a_server_that_does_not_stream() -> None:
    request = ImageRequest(prompt="a circle", partial_images=3)
    assert events_of(sends(hosted.IMAGES), request) == [MADE, ImagesFinish(usage=USAGE)]


def test_a_large_image_in_a_stream() -> None:
    """Longer than any event of text may be."""
    large = hosted.IMAGE + bytes(6 << 20)
    (event,) = image_events("image_generation", 0)
    event["b64_json"] = base64.b64encode(large).decode()
    request = ImageRequest(prompt="a circle", partial_images=1)
    assert events_of(streams(event), request)[0] == MadeImage(index=0, data=large)


@pytest.mark.parametrize("relative", [False, True])
def test_the_url_of_an_image_at_the_upstream(relative: bool) -> None:
    async def scenario(engine: Upstream, server: FaultyServer) -> list[ImageEvent]:
        server.gets["/files/a.png?x=1"] = (200, "image/png", hosted.IMAGE)
        url = "/files/a.png?x=1" if relative else f"{server.url}/files/a.png?x=1"
        server.fault = sends({"data": [{"url": url}]})
        events = await collected(engine.make_images(CIRCLE))
        (got,) = server.got
        assert got.headers["authorization"] == "Bearer sk-1234567890"
        return events

    assert ask(sends({}), scenario, key="sk-1234567890") == [MADE, ImagesFinish()]


def test_the_url_of_an_image_elsewhere_is_fetched_without_the_key() -> None:
    async def scenario(engine: Upstream, server: FaultyServer) -> list[ImageEvent]:
        async with faulty_server(sends({})) as other:
            other.gets["/a.png"] = (200, "image/png", hosted.IMAGE)
            server.fault = sends({"data": [{"url": f"{other.url}/a.png"}]})
            events = await collected(engine.make_images(CIRCLE))
            (got,) = other.got
            assert "authorization" not in got.headers
            assert "x-team" not in got.headers
            return events

    found = ask(sends({}), scenario, key="sk-1234567890", headers={"x-team": "blue"})
    assert found == [MADE, ImagesFinish()]


def test_an_image_in_a_data_url() -> None:
    url = f"data:image/png;base64,{hosted.ENCODED}"
    for item in ({"url": url}, {"b64_json": url}):
        assert events_of(sends({"data": [item]})) == [MADE, ImagesFinish()]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/a.png", "/missing", "/page", "ftp://x/a", "http://", "file:///etc"]
)
def test_a_url_that_cannot_be_fetched(url: str) -> None:
    async def scenario(engine: Upstream, server: FaultyServer) -> None:
        server.gets["/missing"] = (404, "text/html", b"")
        server.gets["/page"] = (200, "text/html", b"<html>")
        with pytest.raises(BadGateway):
            await collected(engine.make_images(CIRCLE))

    ask(sends({"data": [{"url": url}]}), scenario)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"data": []},
        {"data": [{}]},
        {"data": [{"b64_json": "%%%"}]},
        {"data": [{"b64_json": base64.b64encode(b"no image").decode()}]},
        {"data": "x"},
        {"error": {"message": "out of memory", "code": 500}},
    ],
)
def test_what_is_no_image_is_a_bad_gateway(answer: Any) -> None:
    with pytest.raises(BadGateway):
        events_of(sends(answer))


def test_an_error_with_status_200_that_is_about_the_request() -> None:
    error = {"message": "no", "type": "invalid_request_error", "param": "prompt"}
    with pytest.raises(InvalidRequest) as caught:
        events_of(sends({"error": error}))
    assert caught.value.param == "prompt"


def test_too_few_images_are_refused() -> None:
    with pytest.raises(Unsupported) as caught:
        events_of(sends(hosted.IMAGES), ImageRequest(prompt="a circle", count=2))
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", "n")


@pytest.mark.parametrize(
    "events",
    [
        [],
        list(image_events("image_generation", 2))[:2],
        [{"type": "error", "error": {"message": "gone", "code": 500}}],
        [{"type": "image_generation.completed", "b64_json": ""}],
    ],
)
def test_a_stream_without_its_image(events: list[dict[str, Any]]) -> None:
    with pytest.raises(APIError) as caught:
        events_of(streams(*events), ImageRequest(prompt="a circle", partial_images=2))
    assert caught.value.status == 502
