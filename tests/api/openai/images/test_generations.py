"""`POST /v1/images/generations` with the official client, whole and streamed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import AzureOpenAI, BadRequestError, NotFoundError, OpenAI
from prometheus_client.parser import text_string_to_metric_families

from openedai.api.openai.images.types import MAX_PROMPT
from openedai.config import ModelSpec, Settings
from openedai.contract.images import ImageRequest
from openedai.engines.echo.images import colour_of
from tests.api.openai.images.answers import checked, checked_events, post, refusal
from tests.support import (
    ECHO_MODELS,
    Running,
    ServerThread,
    echo_settings,
    fetch,
    occupancy,
    wait_until,
)

RED = "a red circle"


def test_an_image(client: OpenAI) -> None:
    answer = client.images.generate(model="gpt-image-1", prompt=RED, size="64x32")
    (image,) = checked(answer)
    assert image.size == (64, 32)
    assert image.getpixel((0, 0)) == colour_of(ImageRequest(prompt=RED), 0)
    assert (answer.output_format, answer.background, answer.quality) == ("png", "opaque", None)
    assert answer.usage is not None
    assert answer.usage.to_dict() == {
        "input_tokens": 3,
        "input_tokens_details": {"text_tokens": 3, "image_tokens": 0},
        "output_tokens": 16,
        "output_tokens_details": {"text_tokens": 0, "image_tokens": 16},
        "total_tokens": 19,
    }


@pytest.mark.parametrize("model", ["echo", "hosted"])
def test_ten_images(client: OpenAI, model: str) -> None:
    answer = client.images.generate(model=model, prompt=RED, n=10, response_format="b64_json")
    images = checked(answer)
    expected = [colour_of(ImageRequest(prompt=RED), index) for index in range(10)]
    assert [image.getpixel((5, 5)) for image in images] == expected


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("compression", [None, 100])
def test_formats(client: OpenAI, output_format: Any, compression: int | None) -> None:
    options: dict[str, Any] = {} if compression is None else {"output_compression": compression}
    answer = client.images.generate(
        model="gpt-image-1", prompt=RED, output_format=output_format, **options
    )
    assert len(checked(answer)) == 1
    assert answer.output_format == output_format


@pytest.mark.parametrize(
    ("quality", "expected"),
    [("auto", None), ("high", "high"), ("standard", "medium"), ("hd", "high"), ("max", "max")],
)
def test_the_quality_of_an_answer(client: OpenAI, quality: Any, expected: str | None) -> None:
    answer = client.images.generate(model="gpt-image-1", prompt=RED, quality=quality)
    assert checked(answer)
    assert answer.quality == expected


def test_what_the_engine_gets(client: OpenAI) -> None:
    answer = client.images.generate(
        model="reveal",
        prompt=RED,
        n=2,
        size="32x16",
        quality="low",
        style="natural",
        background="transparent",
        moderation="low",
        output_format="webp",
        output_compression=30,
        user="someone",
        response_format="b64_json",
        extra_body={
            "negative_prompt": "blue",
            "steps": 5,
            "guidance_scale": 7.5,
            "seed": 9,
            "sampler": "ddim",
        },
    )
    assert len(checked(answer)) == 2
    assert answer.data is not None
    assert json.loads(answer.data[1].revised_prompt or "") == {
        "prompt": RED,
        "count": 2,
        "size": [32, 16],
        "format": "webp",
        "compression": 30,
        "quality": "low",
        "style": "natural",
        "background": "transparent",
        "moderation": "low",
        "negative_prompt": "blue",
        "steps": 5,
        "guidance_scale": 7.5,
        "seed": 9,
        "sampler": "ddim",
    }


def test_auto_is_the_models_choice(client: OpenAI) -> None:
    answer = client.images.generate(
        model="reveal",
        prompt=RED,
        size="auto",
        quality="auto",
        background="auto",
        moderation="auto",
        response_format="b64_json",
    )
    assert answer.data is not None
    assert json.loads(answer.data[0].revised_prompt or "") == {"prompt": RED}


def test_a_stream_with_previews(client: OpenAI) -> None:
    stream = client.images.generate(
        model="gpt-image-1",
        prompt=RED,
        size="32x32",
        quality="high",
        output_format="webp",
        stream=True,
        partial_images=3,
    )
    *previews, last = checked_events(stream)
    assert [one["partial_image_index"] for one in previews] == [0, 1, 2]
    assert {one["type"] for one in previews} == {"image_generation.partial_image"}
    assert (last["type"], last["size"]) == ("image_generation.completed", "32x32")
    assert (last["quality"], last["background"]) == ("high", "opaque")
    assert last["usage"]["total_tokens"] == 19


def test_a_stream_of_several_images_has_one_usage(client: OpenAI) -> None:
    stream = client.images.generate(
        model="gpt-image-1", prompt=RED, n=3, stream=True, partial_images=1
    )
    events = checked_events(stream)
    types = [event["type"].rpartition(".")[2] for event in events]
    assert types == ["partial_image", "completed"] * 3
    completed = [event for event in events if event["type"].endswith("completed")]
    assert [one["usage"]["output_tokens"] for one in completed] == [0, 0, 48]
    colours = [one["image"].getpixel((0, 0)) for one in completed]
    assert colours == [colour_of(ImageRequest(prompt=RED), index) for index in range(3)]


def test_the_events_of_a_stream_are_named(echo_server: Running) -> None:
    body = {"model": "echo", "prompt": RED, "stream": True}
    answer = fetch(f"{echo_server.url}/v1/images/generations", "POST", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    name, data, *rest = answer.body.decode().split("\n")
    assert name == "event: image_generation.completed"
    assert json.loads(data.removeprefix("data: "))["type"] == "image_generation.completed"
    assert rest == ["", ""]


@pytest.mark.parametrize(
    ("model", "field"),
    [
        ("dall-e-2", "url"),
        ("dall-e-3", "url"),
        ("echo", "url"),
        (None, "url"),
        ("gpt-image-1", "b64_json"),
        ("gpt-image-2.5-flare", "b64_json"),
        ("chatgpt-image-latest", "b64_json"),
    ],
)
def test_the_default_of_the_response_format(
    echo_server: Running, model: str | None, field: str
) -> None:
    body = {"prompt": RED} if model is None else {"prompt": RED, "model": model}
    status, answer = post(echo_server, "generations", body)
    assert status == 200
    assert [*answer["data"][0]] == [field]


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"prompt": ""}, "string_below_min_length", "prompt"),
        ({"prompt": " \n"}, "invalid_value", "prompt"),
        ({"prompt": "x" * (MAX_PROMPT + 1)}, "string_above_max_length", "prompt"),
        ({"prompt": None}, "invalid_type", "prompt"),
        ({"prompt": ["x"]}, "invalid_type", "prompt"),
        ({"n": 0}, "integer_below_min_value", "n"),
        ({"n": 11}, "integer_above_max_value", "n"),
        ({"n": "2"}, "invalid_type", "n"),
        ({"size": "big"}, "invalid_value", "size"),
        ({"size": "1024"}, "invalid_value", "size"),
        ({"size": "1024X1024"}, "invalid_value", "size"),
        ({"size": "-1x5"}, "invalid_value", "size"),
        ({"size": "0x64"}, "invalid_value", "size"),
        ({"size": "15x64"}, "invalid_value", "size"),
        ({"size": "4097x64"}, "invalid_value", "size"),
        ({"size": "4096x4096"}, "invalid_value", "size"),
        ({"size": "16x4096"}, "invalid_value", "size"),
        ({"size": "9" * 5000 + "x1"}, "invalid_value", "size"),
        ({"size": "٦٤x٦٤"}, "invalid_value", "size"),
        ({"output_format": "gif"}, "unsupported_value", "output_format"),
        ({"output_format": "svg"}, "unsupported_value", "output_format"),
        ({"output_format": "tiff"}, "invalid_value", "output_format"),
        ({"output_compression": 50}, "invalid_value", "output_compression"),
        (
            {"output_format": "jpeg", "output_compression": 101},
            "integer_above_max_value",
            "output_compression",
        ),
        ({"background": "transparent", "output_format": "jpeg"}, "invalid_value", "background"),
        ({"partial_images": 1}, "invalid_value", "partial_images"),
        ({"stream": True, "partial_images": 4}, "integer_above_max_value", "partial_images"),
        ({"stream": True, "response_format": "url"}, "invalid_value", "response_format"),
        ({"response_format": "png"}, "invalid_value", "response_format"),
        ({"frame_count": 4}, "unsupported_parameter", "frame_count"),
        ({"complexity": "low"}, "unsupported_parameter", "complexity"),
        ({"svg": {"model": "m"}}, "unsupported_parameter", "svg"),
        ({"strength": 0.5}, "unknown_parameter", "strength"),
        ({"image": "x"}, "unknown_parameter", "image"),
        ({"seed": -1}, "integer_below_min_value", "seed"),
        ({"seed": 1 << 60}, "integer_above_max_value", "seed"),
        ({"steps": 1001}, "integer_above_max_value", "steps"),
        ({"guidance_scale": -1}, "decimal_below_min_value", "guidance_scale"),
        ({"model": ""}, "string_below_min_length", "model"),
    ],
)
def test_bad_requests(echo_server: Running, change: dict[str, Any], code: str, param: str) -> None:
    answer = post(echo_server, "generations", {"prompt": RED, "model": "echo", **change})
    assert refusal(*answer) == (400, code, param)


def test_a_prompt_of_the_greatest_length(client: OpenAI) -> None:
    assert checked(client.images.generate(model="gpt-image-1", prompt="x" * MAX_PROMPT))


@pytest.mark.parametrize("model", ["dall-e-3", "nope", None])
def test_without_a_model_for_images(model: str | None) -> None:
    settings = Settings(_env_file=None)
    body = {"prompt": RED} if model is None else {"prompt": RED, "model": model}
    with ServerThread(settings) as running:
        status, answer = post(running, "generations", body)
    assert refusal(status, answer) == (404, "model_not_found", "model")
    assert "docs/images.md" in answer["error"]["message"]


def test_a_model_that_makes_no_images() -> None:
    with ServerThread(Settings(_env_file=None)) as running:
        answer = post(running, "generations", {"prompt": RED, "model": "gpt-4o"})
    assert refusal(*answer) == (400, "unsupported_model", "model")


def test_a_model_that_does_not_exist(client: OpenAI) -> None:
    with pytest.raises(NotFoundError, match="does not exist") as caught:
        client.images.generate(model="nope", prompt=RED)
    assert "docs/images.md" not in str(caught.value)


@pytest.mark.parametrize("stream", [False, True])
def test_an_engine_that_fails(client: OpenAI, stream: bool) -> None:
    with pytest.raises(Exception, match="told to fail"):
        list(client.images.generate(model="fails-first", prompt=RED, n=3, stream=stream))


def test_an_engine_that_fails_in_a_stream(client: OpenAI) -> None:
    stream = client.images.generate(model="fails-later", prompt=RED, stream=True, partial_images=3)
    assert [next(stream).type for _ in range(2)] == ["image_generation.partial_image"] * 2
    with pytest.raises(Exception, match="told to fail"):
        next(stream)


def test_a_client_that_leaves_a_stream(client: OpenAI, echo_server: Running) -> None:
    stream = client.images.generate(model="slow", prompt=RED, n=10, stream=True, partial_images=3)
    assert next(stream).type == "image_generation.partial_image"
    stream.close()
    wait_until(lambda: occupancy(echo_server, "slow") == (0, 0))


def test_metrics(client: OpenAI, echo_server: Running) -> None:
    def values() -> tuple[float, float]:
        text = fetch(f"{echo_server.url}/metrics").body.decode()
        samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
        made = sum(one.value for one in samples if one.name == "openedai_images_total")
        tokens = sum(
            one.value
            for one in samples
            if one.name == "openedai_tokens_total" and one.labels["kind"] == "completion"
        )
        return made, tokens

    made, tokens = values()
    client.images.generate(model="gpt-image-1", prompt=RED, n=3)
    assert values() == (made + 3, tokens + 48)


def test_the_rate_limit_headers(client: OpenAI) -> None:
    answer = client.images.with_raw_response.generate(model="gpt-image-1", prompt=RED)
    assert int(answer.headers["x-ratelimit-limit-requests"]) > 0


def test_parameters_that_only_the_default_model_knows() -> None:
    with ServerThread(echo_settings(unknown_parameters="warn")) as other:
        options = {"url": other.url, "model": "echo"}
        models = (*ECHO_MODELS, ModelSpec(id="far", engine="upstream", options=options))
        settings = echo_settings(models=models, image_model="far")
        with ServerThread(settings) as running:
            body = {"prompt": RED, "response_format": "b64_json", "tiles": 3}
            assert post(running, "generations", body)[0] == 200
            refused = post(running, "generations", {**body, "model": "echo"})
            assert refusal(*refused) == (400, "unknown_parameter", "tiles")


def test_azure(echo_server: Running) -> None:
    with AzureOpenAI(
        azure_endpoint=echo_server.url, api_key="dummy", api_version="2024-02-01", max_retries=0
    ) as client:
        answer = client.images.generate(model="dall-e-3", prompt=RED, response_format="b64_json")
        assert checked(answer)
        with pytest.raises(BadRequestError):
            client.images.generate(model="dall-e-3", prompt=RED, n=11)
