"""`POST /v1/images/edits` and `/variations` with the official client, and in JSON."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import pytest
from openai import OpenAI
from PIL import Image, ImageChops

from openedai.contract.images import ImageRequest
from openedai.engines.echo.images import colour_of
from tests.api.openai.images.answers import checked, checked_events, post
from tests.images.files import file_of, noise
from tests.media.host import answer as http_answer
from tests.media.host import host
from tests.media.images import data_url
from tests.support import Running, ServerThread, echo_settings

HAT = "a cat with a hat"
COLOUR = colour_of(ImageRequest(prompt=HAT), 0)
SIZE = (24, 16)
HOLE = (4, 2, 12, 10)
SOURCE = noise(*SIZE)
RAW = file_of(SOURCE)
GPT = "gpt-image-1"


def mask(mode: str = "RGBA") -> bytes:
    """A mask of the hole: transparent, or white."""
    image = Image.new(mode, SIZE, "black")
    if mode == "RGBA":
        image.paste((0, 0, 0, 0), HOLE)
    else:
        image.paste("white", HOLE)
    return file_of(image)


def assert_only_the_hole_changed(image: Image.Image) -> None:
    expected = SOURCE.copy()
    expected.paste(COLOUR, HOLE)
    assert image.convert("RGB").tobytes() == expected.tobytes()


def engine_request(answer: Any) -> dict[str, Any]:
    """The request that the echo engine got."""
    request: dict[str, Any] = json.loads(answer.data[0].revised_prompt)
    return request


def test_an_edit_of_the_whole_image(client: OpenAI) -> None:
    answer = client.images.edit(model=GPT, image=RAW, prompt=HAT)
    (image,) = checked(answer)
    assert image.getcolors() == [(SIZE[0] * SIZE[1], COLOUR)]
    assert answer.size == "24x16"
    assert answer.usage is not None
    assert answer.usage.input_tokens_details.image_tokens == 16


@pytest.mark.parametrize("mode", ["RGBA", "L", "RGB", "1"])
@pytest.mark.parametrize("model", [GPT, "hosted"])
def test_a_mask_protects_to_the_pixel(client: OpenAI, mode: str, model: str) -> None:
    answer = client.images.edit(
        model=model, image=RAW, mask=mask(mode), prompt=HAT, n=2, response_format="b64_json"
    )
    first, _ = checked(answer)
    assert_only_the_hole_changed(first)


def test_the_transparent_part_of_the_image_is_the_mask(client: OpenAI) -> None:
    image = SOURCE.convert("RGBA")
    image.putalpha(Image.open(io.BytesIO(mask())).getchannel("A"))
    answer = client.images.edit(
        model="dall-e-2", image=file_of(image), prompt=HAT, response_format="b64_json"
    )
    assert_only_the_hole_changed(checked(answer)[0])
    assert answer.background == "opaque"


def test_gpt_image_models_may_change_all_of_a_transparent_image(client: OpenAI) -> None:
    image = SOURCE.convert("RGBA")
    image.putalpha(Image.open(io.BytesIO(mask())).getchannel("A"))
    answer = client.images.edit(model=GPT, image=file_of(image), prompt=HAT)
    assert checked(answer)[0].getcolors() == [(SIZE[0] * SIZE[1], COLOUR)]


def test_a_transparent_image_with_a_mask_stays_transparent(client: OpenAI) -> None:
    image = SOURCE.convert("RGBA")
    image.putalpha(100)
    answer = client.images.edit(model=GPT, image=file_of(image), mask=mask("L"), prompt=HAT)
    (made,) = checked(answer)
    assert answer.background == "transparent"
    outside = ImageChops.difference(made, image).getchannel("R")
    outside.paste(0, HOLE)
    assert outside.getbbox() is None
    assert made.getpixel(HOLE[:2]) == (*COLOUR, 255)


def test_an_opaque_background(client: OpenAI) -> None:
    image = Image.new("RGBA", SIZE, (10, 20, 30, 0))
    answer = client.images.edit(
        model=GPT, image=file_of(image), mask=mask("L"), prompt=HAT, background="opaque"
    )
    (made,) = checked(answer)
    assert answer.background == "opaque"
    assert made.getpixel((0, 0)) == (255, 255, 255)


def test_another_size(client: OpenAI) -> None:
    answer = client.images.edit(model=GPT, image=RAW, mask=mask(), prompt=HAT, size="48x32")
    (image,) = checked(answer)
    assert image.size == (48, 32)
    assert image.getpixel((10, 6)) == COLOUR


@pytest.mark.parametrize("count", [2, 10, 16])
def test_several_images(client: OpenAI, count: int) -> None:
    files = [RAW, *(file_of(noise(8, 8, seed), "JPEG") for seed in range(1, count))]
    answer = client.images.edit(model="reveal", image=files, prompt=HAT, response_format="b64_json")
    (image,) = checked(answer)
    assert image.size == SIZE
    assert len(engine_request(answer)["images"]) == count


def test_the_parameters_of_a_form(client: OpenAI) -> None:
    answer = client.images.edit(
        model="reveal",
        image=("cat.png", RAW, "image/png"),
        mask=mask(),
        prompt=HAT,
        n=2,
        size="32x16",
        quality="low",
        background="opaque",
        input_fidelity="high",
        output_format="jpeg",
        output_compression=60,
        user="someone",
        response_format="b64_json",
        extra_body={"strength": 0.5, "seed": 3, "steps": 4, "guidance_scale": 2.5, "sampler": "x"},
    )
    assert len(checked(answer)) == 2
    assert engine_request(answer) == {
        "prompt": HAT,
        "task": "edit",
        "count": 2,
        "size": [32, 16],
        "images": [""],
        "mask": "",
        "format": "jpeg",
        "compression": 60,
        "quality": "low",
        "background": "opaque",
        "fidelity": "high",
        "steps": 4,
        "guidance_scale": 2.5,
        "seed": 3,
        "strength": 0.5,
        "sampler": "x",
    }


def test_a_stream(client: OpenAI) -> None:
    stream = client.images.edit(
        model=GPT, image=RAW, mask=mask(), prompt=HAT, stream=True, partial_images=2
    )
    *previews, last = checked_events(stream)
    assert [one["partial_image_index"] for one in previews] == [0, 1]
    assert {one["type"] for one in previews} == {"image_edit.partial_image"}
    assert last["type"] == "image_edit.completed"
    assert last["usage"]["input_tokens_details"]["image_tokens"] == 16
    assert_only_the_hole_changed(last["image"])


def test_an_edit_in_json(echo_server: Running) -> None:
    body = {
        "model": GPT,
        "prompt": HAT,
        "images": [{"image_url": data_url(RAW)}, {"image_url": data_url(RAW)}],
        "mask": {"image_url": data_url(mask())},
    }
    status, answer = post(echo_server, "edits", body)
    assert status == 200, answer
    assert answer["usage"]["input_tokens_details"]["image_tokens"] == 32


def test_kept_files_as_images_and_mask(client: OpenAI, echo_server: Running) -> None:
    kept = [
        client.files.create(file=("a.png", raw), purpose="vision").id
        for raw in (RAW, mask(), b"no image")
    ]
    image, hole, text = ({"file_id": id} for id in kept)
    body: dict[str, Any] = {"model": GPT, "prompt": HAT, "images": [image], "mask": hole}
    status, answer = post(echo_server, "edits", body)
    assert (status, answer["size"]) == (200, "24x16")
    status, answer = post(echo_server, "edits", body | {"images": [image, text]})
    error = answer["error"]
    assert (status, error["code"]) == (400, "invalid_image_format")
    assert error["param"] == "images[1].file_id"
    client.files.delete(kept[1])
    status, answer = post(echo_server, "edits", body)
    error = answer["error"]
    assert (status, error["message"]) == (404, f"No such File object: {kept[1]}")
    assert error["param"] == "mask.file_id"


def test_an_image_that_the_server_made_by_its_url(client: OpenAI, echo_server: Running) -> None:
    """Nothing is fetched: this server may not fetch from its own address."""
    made = client.images.generate(model="dall-e-2", prompt=HAT, size="48x32")
    assert made.data is not None
    body = {"model": GPT, "prompt": HAT, "images": [{"image_url": made.data[0].url}]}
    status, answer = post(echo_server, "edits", body)
    assert (status, answer["size"]) == (200, "48x32")
    body["images"] = [{"image_url": f"{echo_server.url}/v1/images/files/{'x' * 32}-1.png"}]
    status, answer = post(echo_server, "edits", body)
    assert (status, answer["error"]["code"]) == (400, "invalid_image_url")


def test_an_image_from_a_url() -> None:
    async def scenario(url: str, running: Running) -> tuple[int, dict[str, Any]]:
        body = {"model": GPT, "prompt": HAT, "images": [{"image_url": f"{url}/cat.png"}]}
        return await asyncio.to_thread(post, running, "edits", body)

    async def serve() -> tuple[int, dict[str, Any]]:
        settings = echo_settings(image_private_hosts=("127.0.0.1",))
        async with host({"/cat.png": http_answer(RAW)}) as images:
            with ServerThread(settings) as running:
                return await scenario(images.url, running)

    status, answer = asyncio.run(serve())
    assert (status, answer["size"]) == (200, "24x16")


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
@pytest.mark.parametrize("model", ["dall-e-2", "hosted"])
def test_variations(client: OpenAI, model: str) -> None:
    answer = client.images.create_variation(
        model=model, image=RAW, n=2, response_format="b64_json", user="someone"
    )
    assert [image.size for image in checked(answer)] == [SIZE, SIZE]


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
def test_the_parameters_of_a_variation(client: OpenAI) -> None:
    answer = client.images.create_variation(
        model="reveal",
        image=RAW,
        size="256x256",
        response_format="b64_json",
        extra_body={"strength": 0.25, "negative_prompt": "dogs"},
    )
    assert engine_request(answer) == {
        "prompt": "",
        "task": "vary",
        "size": [256, 256],
        "images": [""],
        "negative_prompt": "dogs",
        "strength": 0.25,
    }
