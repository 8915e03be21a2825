"""Requests as ComfyUI gets them, and the images that come back."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from openedai.contract.images import PartialImage
from openedai.engines.comfyui.previews import PreviewReader
from openedai.errors import APIError, InvalidRequest, Unsupported
from tests.engines.comfyui.running import loaded
from tests.engines.image_servers.comfy import comfyui
from tests.engines.image_servers.comfy_nodes import CHECKPOINTS
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


def nodes(server: Any, number: int = -1) -> dict[str, Any]:
    """The inputs of the nodes of a workflow that was sent, by id."""
    workflow = server.bodies("/prompt")[number]["prompt"]
    return {id: node["inputs"] for id, node in workflow.items()}


def test_images_depend_on_the_prompt_and_the_seed() -> None:
    async def scenario() -> None:
        async with comfyui() as server, loaded(server.url) as engine:
            images = (await made(engine, changed(CAT, count=3))).images
            again = (await made(engine)).images
            assert [image.size for image in images] == [(64, 64)] * 3
            assert len({image.tobytes() for image in images}) == 3
            assert again[0].tobytes() == images[0].tobytes()
            assert [nodes(server, index)["sampler"]["seed"] for index in range(3)] == [1, 2, 3]

    asyncio.run(scenario())


def test_each_of_its_requests_has_the_trace() -> None:
    async def scenario() -> None:
        async with comfyui() as server, loaded(server.url) as engine:
            traced = engine.within_trace(lambda: {"traceparent": "00-1-2-01"})
            await made(traced, changed(CAT, partial_images=1))
            assert "/ws" in [path for path, _ in server.received]
            assert set(server.traces) == {"00-1-2-01"}
            server.traces.clear()
            await made(engine)
            assert set(server.traces) == {None}

    asyncio.run(scenario())


def test_parameters_go_into_their_slots() -> None:
    async def scenario() -> None:
        async with comfyui() as server, loaded(server.url) as engine:
            request = changed(
                CAT,
                negative_prompt="dogs",
                steps=3,
                guidance_scale=2.5,
                sampler="ddim",
                size=(72, 100),
                variant=CHECKPOINTS[1],
                extra={"scheduler": "karras"},
            )
            (image,) = (await made(engine, request)).images
            assert image.size == (72, 100)
            sent = nodes(server)
            assert sent["positive"]["text"] == "a cat"
            assert sent["negative"]["text"] == "dogs"
            assert sent["checkpoint"]["ckpt_name"] == CHECKPOINTS[1]
            assert sent["latent"] == {"width": 72, "height": 104, "batch_size": 1}
            expected = {"steps": 3, "cfg": 2.5, "sampler_name": "ddim", "scheduler": "karras"}
            assert sent["sampler"].items() >= expected.items()

    asyncio.run(scenario())


def test_the_history_is_deleted() -> None:
    async def scenario() -> None:
        async with comfyui() as server, loaded(server.url) as engine:
            await made(engine)
            assert server.history == {}

    asyncio.run(scenario())


def test_an_edit_and_a_variation() -> None:
    source = drawing((72, 56))

    async def scenario() -> None:
        async with comfyui() as server, loaded(server.url) as engine:
            request = changed(EDIT, images=(png(source),))
            (image,) = (await made(engine, request)).images
            assert image.size == source.size
            assert nodes(server)["sampler"]["denoise"] == 0.75
            assert nodes(server)["image"]["image"] in server.uploads
            assert nodes(server)["image"]["image"].endswith(" [temp]")
            await made(engine, changed(request, task="vary", prompt=""))
            assert nodes(server)["sampler"]["denoise"] == pytest.approx(0.45)
            assert len(server.uploads) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_what_the_mask_protects_stays_the_same_to_the_pixel(mode: str) -> None:
    source = drawing((61, 67)).convert(mode)

    async def scenario() -> None:
        async with comfyui() as server, loaded(server.url) as engine:
            mask = left_half(source.size)
            request = changed(EDIT, images=(png(source),), mask=mask, strength=1.0)
            (image,) = (await made(engine, request)).images
            assert image.mode == mode
            right, left = (30, 0, 61, 67), (0, 0, 30, 67)
            assert image.crop(right).tobytes() == source.crop(right).tobytes()
            assert image.crop(left).tobytes() != source.crop(left).tobytes()
            assert len(server.uploads) == 2

    asyncio.run(scenario())


@pytest.mark.parametrize("sockets", [True, False])
def test_previews_are_partial_images(sockets: bool) -> None:
    async def scenario() -> list[PartialImage]:
        async with comfyui(sockets=sockets) as server, loaded(server.url) as engine:
            server.steps.seconds = 0.02
            return (await made(engine, changed(CAT, partial_images=2))).previews

    previews = asyncio.run(scenario())
    assert [one.number for one in previews] == ([0, 1] if sockets else [])
    assert all(opened_image(one.data).size == (64, 64) for one in previews)


def test_a_preview_arrives_while_the_image_is_made() -> None:
    async def scenario() -> None:
        async with comfyui() as server, loaded(server.url) as engine:
            server.steps.hold = 15
            async with aclosing(engine.make_images(changed(CAT, partial_images=1))) as events:
                assert isinstance(await anext(events), PartialImage)
                server.steps.resume()
                names = [type(event).__name__ async for event in events]
                assert names == ["MadeImage", "ImagesFinish"]

    asyncio.run(scenario())


def test_messages_that_are_no_previews() -> None:
    reader = PreviewReader()
    for text in ("", "[]", "{", '{"type": "progress"}', '{"type": "progress", "data": {"max": 0}}'):
        reader.text(text)
    reader.text('{"type": "progress", "data": {"value": 1, "max": 4}}')
    for message in (b"", b"\0\0\0\1", b"\0\0\0\2\0\0\0\1data", b"\0\0\0\1\0\0\0\1"):
        assert reader.binary(message) is None
    plain = reader.binary(b"\0\0\0\1\0\0\0\1data")
    described = reader.binary(b"\0\0\0\4\0\0\0\2{}data")
    assert plain == described
    assert plain is not None
    assert (plain.progress, plain.data) == (0.25, b"data")


def test_the_checkpoints_are_models() -> None:
    async def scenario() -> None:
        async with comfyui() as server, loaded(server.url) as engine:
            assert await engine.models() == tuple(CHECKPOINTS)

    asyncio.run(scenario())


def workflow(tmp_path: Path, **slots: Any) -> str:
    """The file of a workflow with only a prompt, and more inputs of its sampler."""
    sampler = {
        "model": ["4", 0],
        "positive": ["6", 0],
        "negative": ["6", 0],
        "latent_image": ["5", 0],
        "seed": 1,
        "steps": 3,
        "cfg": 7,
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": 1,
    }
    value = {
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": CHECKPOINTS[0]}},
        "5": {
            "class_type": "EmptyLatentImage",
            "inputs": {"width": 96, "height": 80, "batch_size": 2},
        },
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "{{prompt}}", "clip": ["4", 1]}},
        "3": {"class_type": "KSampler", "inputs": {**sampler, **slots}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
        "10": {"class_type": "PreviewImage", "inputs": {"images": ["8", 0]}},
        "9": {
            "class_type": "SaveImage",
            "inputs": {"images": ["8", 0], "filename_prefix": "ours"},
        },
    }
    file = tmp_path / "workflow.json"
    file.write_text(json.dumps(value))
    return str(file)


def test_a_workflow_of_ones_own(tmp_path: Path) -> None:
    file = workflow(tmp_path, cfg="{{strange}}", denoise="{{other}}")

    async def scenario() -> None:
        async with (
            comfyui() as server,
            loaded(server.url, workflow=file, slots={"strange": 1.5, "other": 1}) as engine,
        ):
            (image,) = (await made(engine, changed(CAT, seed=None))).images
            assert image.size == (96, 80)
            assert nodes(server)["3"]["cfg"] == 1.5
            await made(engine, changed(CAT, seed=None, extra={"strange": 2}))
            assert nodes(server)["3"]["cfg"] == 2

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"negative_prompt": "dogs"}, "negative_prompt", "unsupported_parameter"),
        ({"seed": 1}, "seed", "unsupported_parameter"),
        ({"steps": 3}, "steps", "unsupported_parameter"),
        ({"size": (64, 64)}, "size", "unsupported_parameter"),
        ({"quality": "high"}, "quality", "unsupported_parameter"),
        ({"sampler": "ddim"}, "sampler", "unsupported_parameter"),
        ({"variant": "x"}, "model", "unsupported_parameter"),
        ({"images": (png(drawing()),)}, "image", "unsupported_parameter"),
        ({"images": (png(drawing()),), "mask": left_half()}, "mask", "unsupported_parameter"),
        ({"background": "transparent"}, "background", "unsupported_value"),
        ({"extra": {"unknown": 1}}, "unknown", "unknown_parameter"),
        ({"extra": {"strange": "text"}}, "strange", "invalid_value"),
        ({"extra": {"strange": True}}, "strange", "invalid_value"),
        ({"extra": {"unused": 1}}, "unused", "unsupported_parameter"),
    ],
)
def test_what_the_workflow_has_no_slot_for_is_refused(
    fields: dict[str, Any], param: str, code: str, tmp_path: Path
) -> None:
    options = {
        "workflow": workflow(tmp_path, cfg="{{strange}}"),
        "slots": {"strange": 1.5, "unused": 1},
    }

    async def scenario() -> None:
        async with comfyui() as server, loaded(server.url, **options) as engine:
            with pytest.raises(InvalidRequest) as caught:
                await made(engine, changed(CAT, **{"seed": None, **fields}))
            assert (caught.value.param, caught.value.code) == (param, code)
            assert server.received == []

    asyncio.run(scenario())


def test_several_images_need_several_slots() -> None:
    async def scenario() -> None:
        async with comfyui() as server, loaded(server.url) as engine:
            images = (png(drawing()), png(drawing((32, 32))))
            with pytest.raises(Unsupported) as caught:
                await made(engine, changed(EDIT, images=images))
            assert caught.value.param == "image"

    asyncio.run(scenario())


def test_a_value_that_comfyui_refuses_is_the_clients_error() -> None:
    async def scenario() -> None:
        async with comfyui() as server, loaded(server.url) as engine:
            for fields, param in (
                ({"sampler": "wrong"}, "sampler"),
                ({"extra": {"scheduler": "wrong"}}, "scheduler"),
            ):
                with pytest.raises(InvalidRequest, match="not in") as caught:
                    await made(engine, changed(CAT, **fields))
                assert caught.value.param == param

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"checkpoint": "missing.safetensors"}, "does not have the checkpoint"),
        ({"checkpoint": None}, "no `checkpoint`"),
        ({"sampler": "wrong"}, "refused the workflow"),
    ],
)
def test_mistakes_of_the_configuration(options: dict[str, Any], words: str) -> None:
    async def scenario() -> None:
        async with comfyui() as server, loaded(server.url, **options) as engine:
            with pytest.raises(APIError, match=words) as caught:
                await made(engine)
            assert caught.value.status >= 500

    asyncio.run(scenario())
