"""`stream_options` of chat and completions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import BadRequestError, OpenAI

from openedai.api.parameters.generation.running_usage import ChunkUsage
from openedai.api.parameters.generation.sampling import StreamOptions
from openedai.api.parameters.generation.usage import UsageObject
from openedai.contract.generate import (
    Finish,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from tests.support import Running, fetch

BODIES: dict[str, dict[str, Any]] = {
    "/chat/completions": {"messages": [{"role": "user", "content": "a bb ccc " * 9}]},
    "/completions": {"prompt": "a bb ccc " * 9, "max_tokens": 99},
}


def frames(server: Running, path: str, **options: Any) -> list[dict[str, Any]]:
    """The chunks of a stream with two choices, as they are on the wire."""
    body = {"model": "echo", "n": 2, "stream": True, "stream_options": options, **BODIES[path]}
    answer = fetch(f"{server.url}/v1{path}", "POST", json=body)
    *found, done, end = answer.body.decode().split("\n\n")
    assert (done, end) == ("data: [DONE]", "")
    return [json.loads(frame.removeprefix("data: ")) for frame in found]


@pytest.mark.parametrize("path", BODIES)
def test_usage_comes_last_and_once(echo_server: Running, path: str) -> None:
    *chunks, last = frames(echo_server, path, include_usage=True)
    assert all(chunk["usage"] is None for chunk in chunks)
    assert all(len(chunk["choices"]) == 1 for chunk in chunks)
    assert last["choices"] == []
    usage = last["usage"]
    assert usage["completion_tokens"] == 2 * 28  # the last word is a space
    assert usage["prompt_tokens"] == 28 + (path == "/chat/completions")
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("options", [{}, {"include_usage": False}, {"include_usage": None}])
def test_without_include_usage_no_chunk_has_usage(
    echo_server: Running, path: str, options: dict[str, Any]
) -> None:
    assert not any("usage" in chunk for chunk in frames(echo_server, path, **options))


@pytest.mark.parametrize("path", BODIES)
def test_continuous_usage_is_in_every_chunk(echo_server: Running, path: str) -> None:
    """A parameter of other servers: their clients measure by it."""
    options = {"include_usage": True, "continuous_usage_stats": True}
    *chunks, last = frames(echo_server, path, **options)
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 2 * 28
    usages = [chunk["usage"] for chunk in (*chunks, last)]
    assert {usage["prompt_tokens"] for usage in usages} == {28 + (path == "/chat/completions")}
    counts = [usage["completion_tokens"] for usage in usages]
    assert counts == sorted(counts)
    # The two choices have 28 words each, and each word is a delta.
    assert set(counts) - {0} == set(range(1, 57))
    assert all(
        usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
        for usage in usages
    )


def test_continuous_usage_counts_each_delta_until_the_engine_counts() -> None:
    options = StreamOptions(include_usage=True, continuous_usage_stats=True)
    usage = ChunkUsage(options, 2, 2)
    events = [
        (0, Started(prompt_tokens=7, cached_tokens=3)),
        (0, ReasoningDelta(text="hm")),
        (1, Started(prompt_tokens=7, cached_tokens=3)),
        (0, ToolCallDelta(index=0, name="f")),
        (1, TextDelta(text="a")),
        (0, Finish("tool_calls", Usage(7, 20, 3, 4))),
    ]
    seen = [usage.after(index, event) for index, event in events]
    assert all(isinstance(one, UsageObject) for one in seen)
    found = [one for one in seen if isinstance(one, UsageObject)]
    assert [one.completion_tokens for one in found] == [0, 1, 1, 2, 3, 21]
    assert [one.completion_tokens_details.reasoning_tokens for one in found] == [0, 1, 1, 1, 1, 4]
    assert {one.prompt_tokens for one in found} == {7}
    assert {one.prompt_tokens_details.cached_tokens for one in found} == {3}


@pytest.mark.parametrize("path", BODIES)
def test_continuous_usage_without_include_usage_is_none(echo_server: Running, path: str) -> None:
    chunks = frames(echo_server, path, continuous_usage_stats=True)
    assert not any("usage" in chunk for chunk in chunks)


@pytest.mark.parametrize("path", BODIES)
def test_obfuscation_hides_the_length_of_a_chunk(echo_server: Running, path: str) -> None:
    chunks = frames(echo_server, path, include_obfuscation=True)
    assert {chunk["choices"][0]["index"] for chunk in chunks} == {0, 1}
    lengths = set()
    for chunk in chunks:
        (choice,) = chunk["choices"]
        text = choice.get("text") or choice.get("delta", {}).get("content")
        if text:
            lengths.add(len(text) + len(chunk["obfuscation"]))
    assert lengths == {16}


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("value", [False, None])
def test_without_include_obfuscation_no_chunk_is_padded(
    echo_server: Running, path: str, value: bool | None
) -> None:
    chunks = frames(echo_server, path, include_obfuscation=value)
    assert not any("obfuscation" in chunk for chunk in chunks)


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"stream_options": {}}, "invalid_value", "stream_options"),
        ({"stream": False, "stream_options": {}}, "invalid_value", "stream_options"),
        ({"stream": True, "stream_options": 5}, "invalid_type", "stream_options"),
        (
            {"stream": True, "stream_options": {"include_usage": "yes"}},
            "invalid_type",
            "stream_options.include_usage",
        ),
        (
            {"stream": True, "stream_options": {"mood": 1}},
            "unknown_parameter",
            "stream_options.mood",
        ),
    ],
)
def test_bad_options(
    client: OpenAI, path: str, change: dict[str, Any], code: str, param: str
) -> None:
    with pytest.raises(BadRequestError) as caught:
        client.post(path, body={"model": "echo", **BODIES[path], **change}, cast_to=object)
    assert (caught.value.code, caught.value.param) == (code, param)
