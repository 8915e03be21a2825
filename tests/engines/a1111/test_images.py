"""Requests as the web UI gets them, and the images that come back."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from PIL import ImageChops

from openedai.contract.images import ImageRequest, PartialImage
from openedai.errors import APIError, InvalidRequest, ModelNotFound, Unsupported
from tests.engines.a1111.running import loaded
from tests.engines.image_servers.fake_image import png
from tests.engines.image_servers.running import (
    CAT,
    EDIT,
    changed,
    drawing,
    left_half,
    made,
    opened_image,
)
from tests.engines.image_servers.webui import WebUI, webui


async def sent(request: ImageRequest, path: str = "txt2img", **options: Any) -> dict[str, Any]:
    """The body that the web UI got for a request."""
    async with webui() as server, loaded(server.url, **options) as engine:
        await made(engine, request)
        body: dict[str, Any] = server.bodies(path)[0]
        return body


def test_an_image_depends_on_the_prompt_and_the_seed() -> None:
    async def scenario() -> None:
        async with webui() as server, loaded(server.url) as engine:
            first = (await made(engine)).images
            again = (await made(engine)).images
            seed = (await made(engine, changed(CAT, seed=2))).images
            prompt = (await made(engine, changed(CAT, prompt="a dog"))).images
            assert first[0].size == (64, 64)
            assert first[0].tobytes() == again[0].tobytes()
            assert len({image.tobytes() for image in (*first, *seed, *prompt)}) == 3

    asyncio.run(scenario())


def test_each_of_its_requests_has_the_trace() -> None:
    async def scenario() -> None:
        async with webui() as server, loaded(server.url) as engine:
            traced = engine.within_trace(lambda: {"traceparent": "00-1-2-01"})
            await made(traced, changed(CAT, partial_images=1))
            assert set(server.traces) == {"00-1-2-01"}
            server.traces.clear()
            await made(engine)
            assert set(server.traces) == {None}

    asyncio.run(scenario())


def test_several_images_have_seeds_of_their_own() -> None:
    async def scenario() -> None:
        async with webui() as server, loaded(server.url) as engine:
            images = (await made(engine, changed(CAT, count=3))).images
            assert len({image.tobytes() for image in images}) == 3
            assert [body["seed"] for body in server.bodies("txt2img")] == [1, 2, 3]
            await made(engine, changed(CAT, seed=None))
            assert server.bodies("txt2img")[-1]["seed"] == -1

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("fields", "options", "expected"),
    [
        ({}, {}, {"steps": 20, "cfg_scale": 7.0, "negative_prompt": "", "batch_size": 1}),
        ({}, {"steps": 9, "guidance_scale": 3.5}, {"steps": 9, "cfg_scale": 3.5}),
        ({}, {"negative_prompt": "ugly"}, {"negative_prompt": "ugly"}),
        ({"steps": 5, "guidance_scale": 2.0}, {}, {"steps": 5, "cfg_scale": 2.0}),
        ({"negative_prompt": "dogs"}, {"negative_prompt": "ugly"}, {"negative_prompt": "dogs"}),
        ({"sampler": "Euler a"}, {"sampler": "DDIM"}, {"sampler_name": "Euler a"}),
        ({}, {"sampler": "DDIM"}, {"sampler_name": "DDIM"}),
        ({"quality": "low"}, {}, {"steps": 10}),
        ({"quality": "hd"}, {}, {"steps": 40}),
        ({"quality": "high", "steps": 7}, {}, {"steps": 7}),
        ({"quality": "auto"}, {}, {"steps": 20}),
        ({"size": (96, 128)}, {}, {"width": 96, "height": 128}),
        ({"size": (100, 130)}, {}, {"width": 104, "height": 136}),
        ({}, {"parameters": {"tiling": True, "steps": 99}}, {"tiling": True, "steps": 20}),
        (
            {"extra": {"scheduler": "Karras", "styles": ["film"], "subseed": 4}},
            {},
            {"scheduler": "Karras", "styles": ["film"], "subseed": 4},
        ),
        (
            {"extra": {"clip_skip": 2}},
            {"parameters": {"override_settings": {"eta_noise_seed_delta": 31337}}},
            {
                "override_settings": {
                    "eta_noise_seed_delta": 31337,
                    "CLIP_stop_at_last_layers": 2,
                }
            },
        ),
    ],
)
def test_parameters(
    fields: dict[str, Any], options: dict[str, Any], expected: dict[str, Any]
) -> None:
    body = asyncio.run(sent(changed(CAT, **fields), **options))
    assert {name: body[name] for name in expected} == expected


def test_nothing_is_saved_by_the_web_ui() -> None:
    body = asyncio.run(sent(CAT, parameters={"save_images": True}))
    assert body["save_images"] is False


def test_a_size_that_the_model_cannot_compute_is_scaled() -> None:
    async def scenario() -> None:
        async with webui() as server, loaded(server.url) as engine:
            (image,) = (await made(engine, changed(CAT, size=(100, 131)))).images
            assert image.size == (100, 131)

    asyncio.run(scenario())


@pytest.mark.parametrize("format", ["png", "jpg"])
def test_the_web_uis_own_image_format_is_accepted(format: str) -> None:
    async def scenario() -> None:
        async with webui(samples_format=format) as server, loaded(server.url) as engine:
            (image,) = (await made(engine)).images
            assert image.size == (64, 64)

    asyncio.run(scenario())


def test_an_edit_starts_from_the_image_and_has_its_size() -> None:
    source = drawing((72, 56))

    async def scenario() -> None:
        async with webui() as server, loaded(server.url) as engine:
            request = changed(EDIT, images=(png(source),), strength=0.1)
            (image,) = (await made(engine, request)).images
            assert image.size == source.size
            difference = ImageChops.difference(image.convert("RGB"), source)
            assert max(difference.tobytes()) <= 26  # a tenth of 255
            (body,) = server.bodies("img2img")
            assert body["denoising_strength"] == 0.1
            assert server.count("txt2img") == 0

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("fields", "strength"),
    [
        ({}, 0.75),
        ({"fidelity": "low"}, 0.75),
        ({"fidelity": "high"}, 0.45),
        ({"task": "vary", "prompt": ""}, 0.45),
        ({"strength": 1.0}, 1.0),
    ],
)
def test_the_strength_of_a_change(fields: dict[str, Any], strength: float) -> None:
    body = asyncio.run(sent(changed(EDIT, **fields), "img2img"))
    assert body["denoising_strength"] == pytest.approx(strength)


@pytest.mark.parametrize("blur", [0, 4])
@pytest.mark.parametrize("size", [None, (64, 64), (72, 80)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_what_the_mask_protects_stays_the_same_to_the_pixel(
    blur: int, size: tuple[int, int] | None, mode: str
) -> None:
    source = drawing((61, 67)).convert(mode)
    mask = left_half(source.size)

    async def scenario() -> None:
        async with webui() as server, loaded(server.url) as engine:
            request = changed(
                EDIT,
                images=(png(source),),
                mask=mask,
                size=size,
                strength=1.0,
                extra={"mask_blur": blur},
            )
            (image,) = (await made(engine, request)).images
            width, height = size or source.size
            expected = source if size is None else source.resize(image.size, 1)
            right = (-(-width // 2) + 1, 0, width, height)
            left = (0, 0, width // 2 - 1, height)
            assert image.size == (width, height)
            assert image.mode == mode
            assert image.crop(right).tobytes() == expected.crop(right).tobytes()
            assert image.crop(left).tobytes() != expected.crop(left).tobytes()

    asyncio.run(scenario())


def test_partial_images_are_spread_over_the_steps() -> None:
    async def scenario() -> None:
        async with webui() as server, loaded(server.url) as engine:
            server.jobs.steps.seconds = 0.02
            result = await made(engine, changed(CAT, partial_images=3, count=2))
            assert [one.number for one in result.previews] in ([0, 1, 2, 0, 1, 2], [0, 1, 0, 1])
            assert {one.index for one in result.previews} == {0, 1}
            first, second = (opened_image(one.data) for one in result.previews[:2])
            assert first.size == (8, 8)
            assert first.tobytes() != second.tobytes()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "fields", [{}, {"flavour": "forge"}, {"flavour": "sdnext"}, {"tasks_known": False}]
)
def test_a_preview_arrives_while_the_image_is_made(fields: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with webui(**fields) as server, loaded(server.url) as engine:
            server.jobs.steps.hold = 15
            request = changed(CAT, partial_images=1)
            async with aclosing(engine.make_images(request)) as events:
                preview = await anext(events)
                assert isinstance(preview, PartialImage)
                assert (preview.index, preview.number) == (0, 0)
                assert opened_image(preview.data).size == (8, 8)
                server.jobs.steps.resume()
                assert [type(event).__name__ async for event in events] == [
                    "MadeImage",
                    "ImagesFinish",
                ]

    asyncio.run(scenario())


def test_without_partial_images_no_preview_is_requested() -> None:
    async def scenario() -> None:
        async with webui() as server, loaded(server.url) as engine:
            server.jobs.steps.seconds = 0.005
            assert (await made(engine)).previews == []
            asked = [body for path, body in server.received if path == "/internal/progress"]
            assert asked
            assert not any(body["live_preview"] for body in asked)

    asyncio.run(scenario())


def test_the_checkpoints_are_models() -> None:
    async def scenario() -> None:
        async with webui() as server, loaded(server.url) as engine:
            assert await engine.models() == server.checkpoints
            default = (await made(engine)).images
            other = (await made(engine, changed(CAT, variant="dreamshaper_8"))).images
            assert default[0].tobytes() != other[0].tobytes()
            assert server.bodies("txt2img")[0]["override_settings"] == {}
            chosen = server.bodies("txt2img")[1]
            assert chosen["override_settings"] == {"sd_model_checkpoint": "dreamshaper_8"}
            assert chosen["override_settings_restore_afterwards"] is False

    asyncio.run(scenario())


def test_a_checkpoint_may_be_configured() -> None:
    body = asyncio.run(sent(CAT, checkpoint="dreamshaper_8"))
    assert body["override_settings"] == {"sd_model_checkpoint": "dreamshaper_8"}


def test_an_unknown_checkpoint_is_not_ignored() -> None:
    async def scenario(server: WebUI) -> None:
        async with loaded(server.url) as engine:
            with pytest.raises(ModelNotFound, match="nothing_1"):
                await made(engine, changed(CAT, variant="nothing_1"))
        async with loaded(server.url, checkpoint="nothing_2") as engine:
            with pytest.raises(APIError, match="no checkpoint `nothing_2`") as caught:
                await made(engine)
            assert caught.value.status == 502
        assert server.count("txt2img") == 0

    async def run() -> None:
        async with webui() as server:
            await scenario(server)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("fields", "param", "error"),
    [
        ({"background": "transparent"}, "background", Unsupported),
        ({"images": (b"1", b"2")}, "image", Unsupported),
        ({"images": (b"no picture",), "size": None}, "image", InvalidRequest),
        ({"steps": 0}, "steps", InvalidRequest),
        ({"steps": 151}, "steps", InvalidRequest),
        ({"seed": -1}, "seed", InvalidRequest),
        ({"seed": 1 << 32}, "seed", InvalidRequest),
        ({"guidance_scale": 101.0}, "guidance_scale", InvalidRequest),
        ({"sampler": "Wrong"}, "sampler", InvalidRequest),
        ({"size": (4096, 4096)}, "size", InvalidRequest),
        ({"extra": {"clip_skip": 0}}, "clip_skip", InvalidRequest),
        ({"extra": {"styles": "film"}}, "styles", InvalidRequest),
        ({"extra": {"override_settings": {}}}, "override_settings", InvalidRequest),
        ({"extra": {"save_images": True}}, "save_images", InvalidRequest),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(
    fields: dict[str, Any], param: str, error: type[APIError]
) -> None:
    async def scenario() -> None:
        async with webui() as server, loaded(server.url) as engine:
            with pytest.raises(error) as caught:
                await made(engine, changed(CAT, **fields))
            assert caught.value.param == param
            assert server.count("txt2img") == server.count("img2img") == 0

    asyncio.run(scenario())
