"""`POST /v1/engines/{id}/generate`, whole and streamed."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import aiohttp
import pytest

from tests.api.legacy.client import post, refusal, stream_frames
from tests.support import Running, fetch

PATH = "/v1/engines/echo/generate"
HALF = pytest.approx(math.log(0.5))


def streamed(server: Running, **body: Any) -> list[str]:
    """The text of each completion, as its reader joins it."""
    texts: list[str] = []
    for frame in stream_frames(server, PATH, **body):
        assert frame.keys() == {"data"}
        texts = texts or [""] * len(frame["data"])
        assert len(frame["data"]) == len(texts)
        texts = [
            text + "".join(one["text"]) for text, one in zip(texts, frame["data"], strict=True)
        ]
    return texts


def test_whole(legacy_server: Running) -> None:
    assert post(legacy_server, PATH, context="one two", completions=2) == {
        "data": [{"text": ["one", " two"]}] * 2
    }


def test_streamed(legacy_server: Running) -> None:
    assert streamed(legacy_server, context="one two") == ["one two"]
    assert streamed(legacy_server, context="one two", completions=3) == ["one two"] * 3
    assert streamed(legacy_server, context="") == []


def test_every_parameter_reaches_the_engine(legacy_server: Running) -> None:
    body = {
        "context": "x",
        "length": 99,
        "temperature": 0.5,
        "top_p": 0.9,
        "logprobs": 2,
        "stop": ["END"],
    }
    (result,) = post(legacy_server, "/v1/engines/reveal/generate", **body)["data"]
    received = json.loads("".join(result["text"]))
    sampling = {name: received["sampling"][name] for name in ("temperature", "top_p")}
    assert sampling == {"temperature": 0.5, "top_p": 0.9}
    assert received["prompt"] == {"type": "text", "text": "x"}
    assert (received["max_tokens"], received["logprobs"], received["stop"]) == (99, 2, ["END"])


def test_the_length_is_that_of_completions(legacy_server: Running) -> None:
    text = " ".join("abcdefghijklmnopqrstuvwxyz")
    (result,) = post(legacy_server, PATH, context=text)["data"]
    assert len(result["text"]) == 16
    (result,) = post(legacy_server, PATH, context=text, length=3)["data"]
    assert result["text"] == ["a", " b", " c"]


def test_nulls_are_ignored(legacy_server: Running) -> None:
    names = ("length", "completions", "temperature", "top_p", "logprobs", "stop", "stream")
    nulls = dict.fromkeys(names)
    assert post(legacy_server, PATH, context="one", **nulls) == {"data": [{"text": ["one"]}]}


def test_log_probabilities(legacy_server: Running) -> None:
    expected = {
        "tokens": ["one", " two"],
        "token_logprobs": [HALF, HALF],
        "top_logprobs": [{"one": HALF}, {" two": HALF}],
        "text_offset": [7, 10],
    }
    (result,) = post(legacy_server, PATH, context="one two", logprobs=1)["data"]
    assert result["logprobs"] == expected
    joined: dict[str, list[Any]] = {name: [] for name in expected}
    for frame in stream_frames(legacy_server, PATH, context="one two", logprobs=1):
        for name, values in frame["data"][0]["logprobs"].items():
            joined[name] += values
    assert joined == expected


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"context": ["x"]}, "invalid_type", "context"),
    ({"length": 0}, "integer_below_min_value", "length"),
    ({"completions": 129}, "integer_above_max_value", "completions"),
    ({"temperature": 3}, "decimal_above_max_value", "temperature"),
    ({"top_p": "1"}, "invalid_type", "top_p"),
    ({"logprobs": 6}, "integer_above_max_value", "logprobs"),
    ({"stop": ["x"] * 65}, "array_above_max_length", "stop"),
    ({"stream": 1}, "invalid_type", "stream"),
    ({"prompt": "x"}, "unknown_parameter", "prompt"),
    ({"context": "a " * 5000}, "context_length_exceeded", "context"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("change", "code", "param"), BAD)
def test_refusals(
    legacy_server: Running, change: dict[str, Any], code: str, param: str, stream: bool
) -> None:
    body = {"context": "x", "stream": stream, **change}
    assert refusal(legacy_server, PATH, **body) == (400, code, param)


def test_a_model_that_only_embeds(legacy_server: Running) -> None:
    path = "/v1/engines/embedder/generate"
    expected = (400, "unsupported_model", "model")
    assert refusal(legacy_server, path, context="x") == expected


def test_a_late_error_ends_the_stream(legacy_server: Running) -> None:
    url = f"{legacy_server.url}/v1/engines/fails-later/generate"
    answer = fetch(url, "POST", json={"context": "a b c d", "stream": True})
    *frames, last = answer.body.decode().removesuffix("\n\n").split("\n\n")
    assert answer.status == 200
    assert len(frames) == 2
    assert json.loads(last.removeprefix("data: "))["error"]["type"] == "server_error"


async def read_and_disconnect(server: Running) -> None:
    """Request an endless answer, and disconnect after its first frame."""
    body = {"context": "x", "length": 10**6, "stream": True}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{server.url}/v1/engines/endless/generate", json=body) as response,
    ):
        assert (await response.content.readline()).startswith(b"data: ")
        response.close()


def test_a_client_that_leaves_frees_its_slot(legacy_server: Running) -> None:
    """As many clients leave at once as the model has slots."""
    for _ in range(2):
        asyncio.run(fill_slots_and_disconnect(legacy_server))
    (result,) = post(legacy_server, "/v1/engines/endless/generate", context="x", length=1)["data"]
    assert result["text"] == ["x"]


async def fill_slots_and_disconnect(server: Running) -> None:
    await asyncio.gather(*(read_and_disconnect(server) for _ in range(4)))
