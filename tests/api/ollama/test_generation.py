"""Ollama's chat, generate and embeddings, by the official client."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from ollama import AsyncClient, Client, ResponseError
from pydantic import BaseModel

from tests.api.ollama.client import HELLO, both, chat, generate
from tests.media.images import picture
from tests.support import Running, fetch, occupancy, wait_until


def weather(city: str) -> str:
    """What the weather is.

    Args:
        city: where
    """
    return city


class City(BaseModel):
    name: str
    people: int


def engine_request(client: Client, **body: Any) -> Any:
    """The request that the engine got."""
    answer = chat(client, False, model="reveal", **body)
    assert answer.message.content is not None
    return json.loads(answer.message.content)


@both
def test_chat(ollama: Client, stream: bool) -> None:
    answer = chat(ollama, stream)
    assert (answer.model, answer.done, answer.done_reason) == ("echo", True, "stop")
    assert answer.message.content == "one two three"
    assert answer.message.thinking is None
    assert (answer.prompt_eval_count, answer.eval_count) == (4, 3)
    parts = [answer.load_duration, answer.prompt_eval_duration, answer.eval_duration]
    assert all(part is not None and part >= 0 for part in parts)
    assert answer.total_duration is not None
    assert sum(part or 0 for part in parts) == pytest.approx(answer.total_duration, abs=3)


@both
def test_generate(ollama: Client, stream: bool) -> None:
    answer = generate(ollama, stream)
    assert (answer.model, answer.done_reason) == ("echo", "stop")
    assert answer.response == "one two three"
    assert (answer.prompt_eval_count, answer.eval_count) == (4, 3)


def test_answers_are_streamed_by_default(server: Running) -> None:
    body = {"model": "echo", "messages": HELLO}
    answer = fetch(f"{server.url}/api/chat", "POST", json=body)
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.body.splitlines()]
    assert [line["done"] for line in lines] == [False, False, False, True]
    whole = fetch(f"{server.url}/api/chat", "POST", json={**body, "stream": False})
    assert whole.headers["content-type"] == "application/json"
    assert json.loads(whole.body)["message"] == {"role": "assistant", "content": "one two three"}


@both
def test_num_predict(ollama: Client, stream: bool) -> None:
    answer = chat(ollama, stream, options={"num_predict": 2})
    assert (answer.message.content, answer.done_reason) == ("one two", "length")
    assert chat(ollama, stream, options={"num_predict": -1}).done_reason == "stop"


@both
def test_stop_texts(ollama: Client, stream: bool) -> None:
    assert chat(ollama, stream, options={"stop": [" three"]}).message.content == "one two"


def test_the_engine_request_of_a_chat(ollama: Client) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Rain?"},
        {
            "role": "assistant",
            "thinking": "Hm.",
            "tool_calls": [
                {"function": {"name": "sun", "arguments": {}}},
                {"function": {"name": "weather", "arguments": {"city": "Oslo"}}},
            ],
        },
        {"role": "tool", "tool_name": "weather", "content": "wet"},
        {"role": "tool", "tool_name": "sun", "content": "none"},
    ]
    prompt = engine_request(ollama, messages=messages, tools=[weather])["prompt"]
    calls = prompt["messages"][2]["tool_calls"]
    assert [json.loads(call["arguments"]) for call in calls] == [{}, {"city": "Oslo"}]
    assert prompt["messages"][2]["reasoning"] == "Hm."
    wet, none = prompt["messages"][3:]
    assert (wet["name"], wet["tool_call_id"]) == ("weather", calls[1]["id"])
    assert (none["name"], none["tool_call_id"]) == ("sun", calls[0]["id"])
    (tool,) = prompt["tools"]
    assert (tool["name"], tool["description"]) == ("weather", "What the weather is.")
    assert tool["parameters"]["required"] == ["city"]


def test_results_without_names_belong_to_the_calls_in_order(ollama: Client) -> None:
    call = {"function": {"name": "weather", "arguments": {}}}
    result = {"role": "tool", "content": "x"}
    messages = [*HELLO, {"role": "assistant", "tool_calls": [call, call]}, result, result, result]
    parsed = engine_request(ollama, messages=messages)["prompt"]["messages"]
    ids = [item["id"] for item in parsed[1]["tool_calls"]]
    assert len(set(ids)) == 2
    assert [item.get("tool_call_id") for item in parsed[2:]] == [*ids, None]


@both
def test_tool_calls(ollama: Client, stream: bool) -> None:
    answer = chat(ollama, stream, model="forecasts", tools=[weather])
    assert answer.message.tool_calls is not None
    called = [(item.function.name, item.function.arguments) for item in answer.message.tool_calls]
    assert called == [("weather", {"city": city}) for city in ("Oslo", "Bergen")]
    assert answer.done_reason == "stop"
    assert not (answer.message.content or "").strip()


@both
def test_a_truncated_call_is_left_out(ollama: Client, stream: bool) -> None:
    answer = chat(ollama, stream, model="forecasts", tools=[weather], options={"num_predict": 6})
    assert answer.done_reason == "length"
    assert [item.function.arguments for item in answer.message.tool_calls or ()] == [
        {"city": "Oslo"}
    ]


@both
def test_thinking(ollama: Client, stream: bool) -> None:
    answer = chat(ollama, stream, model="thinks")
    assert (answer.message.thinking, answer.message.content) == ("hm hm", "yes")
    generated = generate(ollama, stream, model="thinks", think=False)
    assert (generated.thinking, generated.response) == ("hm hm", "yes")


@pytest.mark.parametrize("think", [True, "low", "medium", "high"])
@both
def test_thinking_that_a_model_does_not_support_is_refused(
    ollama: Client, stream: bool, think: Any
) -> None:
    with pytest.raises(ResponseError, match="'think'") as caught:
        chat(ollama, stream, think=think)
    assert caught.value.status_code == 400


def test_formats(ollama: Client) -> None:
    schema = City.model_json_schema()
    assert engine_request(ollama, format=schema)["constraint"] == {
        "type": "json_schema",
        "schema": schema,
    }
    assert engine_request(ollama, format="json")["constraint"] == {"type": "json_object"}
    assert "constraint" not in engine_request(ollama, format="")


def test_a_format_that_cannot_be_enforced_is_refused(ollama: Client) -> None:
    with pytest.raises(ResponseError, match="'format'") as caught:
        chat(
            ollama,
            False,
            format={"type": "object", "dependentSchemas": {"a": {"not": {"minLength": 1}}}},
        )
    assert caught.value.status_code == 400


@both
def test_log_probabilities(ollama: Client, stream: bool) -> None:
    answer = chat(ollama, stream, logprobs=True, top_logprobs=2)
    assert answer.logprobs is not None
    assert [item.token for item in answer.logprobs] == ["one", " two", " three"]
    for item in answer.logprobs:
        assert item.top_logprobs is not None
        assert item.top_logprobs[0].token == item.token
        assert len(item.top_logprobs) == 2
    assert chat(ollama, stream).logprobs is None


def test_the_engine_request_of_a_prompt(ollama: Client) -> None:
    def reveal(**body: Any) -> Any:
        return json.loads(ollama.generate(model="reveal", prompt="hi", **body).response or "")

    assert reveal(system="Be brief.")["prompt"]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi"},
    ]
    assert reveal(raw=True)["prompt"] == {"type": "text", "text": "hi"}
    with pytest.raises(ResponseError, match="'suffix'"):
        reveal(suffix="end")


def test_a_model_that_supports_images_gets_them(ollama: Client) -> None:
    file = picture()
    message = {"role": "user", "content": "What is it?", "images": [file]}
    answer = ollama.chat(model="vision-reveal", messages=[message])
    images = json.loads(answer.message.content or "")["prompt"]["messages"][0]["images"]
    assert [(base64.b64decode(item["raw"]), item.get("at", 0)) for item in images] == [(file, 0)]
    alone = ollama.generate(model="vision-reveal", prompt="?", system="Look.", images=[file])
    assert len(json.loads(alone.response or "")["prompt"]["messages"][1]["images"]) == 1
    with pytest.raises(ResponseError) as caught:
        ollama.generate(model="vision", prompt="?", images=[b"no picture"])
    assert (caught.value.status_code, "images[0]" in caught.value.error) == (400, True)


def test_a_client_that_leaves_frees_its_slot(server: Running, ollama: Client) -> None:
    parts = ollama.generate(model="endless", prompt="a b", stream=True)
    next(parts)
    assert occupancy(server, "endless")[0] == 1
    parts.close()  # type: ignore[attr-defined]
    wait_until(lambda: occupancy(server, "endless")[0] == 0)


def test_embeddings(ollama: Client) -> None:
    answer = ollama.embed(model="echo", input=["one two", "three"])
    assert [len(row) for row in answer.embeddings] == [8, 8]
    assert answer.prompt_eval_count == 3
    assert answer.total_duration is not None
    assert answer.load_duration is not None
    assert 0 < answer.load_duration <= answer.total_duration
    assert list(answer.embeddings[0]) == list(ollama.embeddings("echo", "one two").embedding)
    short = ollama.embed(model="echo", input="one two", dimensions=3)
    assert [len(row) for row in short.embeddings] == [3]
    assert ollama.embeddings("echo", "").embedding == []


def test_the_asynchronous_client(server: Running) -> None:
    async def texts(parts: Any) -> list[str | None]:
        return [part.message.content async for part in parts]

    async def go() -> list[list[str | None]]:
        async with AsyncClient(host=server.url) as client:
            streams = [
                await client.chat(model=model, messages=HELLO, stream=True)
                for model in ("echo", "hosted")
            ]
            return await asyncio.gather(*map(texts, streams))

    assert asyncio.run(go()) == [["one", " two", " three", ""]] * 2


@pytest.mark.real
def test_real_models(real_server: Running) -> None:
    with Client(host=real_server.url) as client:
        details = {item.model: item.details for item in client.list().models}
        answer = client.chat(
            model="smollm2-135m-instruct",
            messages=[{"role": "user", "content": "Name a city and how many people live there."}],
            format=City.model_json_schema(),
            options={"temperature": 0, "num_predict": 200},
        )
        images = client.show("smollm2-135m-instruct")
        (vector,) = client.embed(model="all-mpnet-base-v2", input="a text").embeddings
        loaded = {item.model for item in client.ps().models}
    City.model_validate_json(answer.message.content or "")
    assert images.modelinfo is not None
    assert images.modelinfo["general.architecture"] == "llama"
    assert images.modelinfo["llama.context_length"] == 8192
    details = details["smollm2-135m-instruct"]
    assert details is not None
    assert (details.format, details.family, details.parameter_size) == ("gguf", "llama", "134.52M")
    assert details.quantization_level
    assert len(vector) == 768
    assert loaded >= {"smollm2-135m-instruct", "all-mpnet-base-v2"}


def test_unknown_fields_are_ignored(server: Running) -> None:
    """Wherever they are; a header names them, the first ones of each list."""
    call = {"function": {"name": "f", "arguments": {}, "x1": 1}, "x2": 1}
    body = {
        "model": "echo",
        "messages": [
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "content": "two", "name": "f", "x5": 1},
        ],
        "options": {"temperature": 0, "x3": 1},
        "stream": False,
        "x4": 1,
    }
    answer = fetch(f"{server.url}/api/chat", "POST", json=body)
    assert answer.status == 200
    assert json.loads(answer.body)["message"]["content"] == "two"
    assert answer.headers["x-openedai-warning"].endswith(": x1, x2, x3, x4")


def test_integers_with_a_decimal_point(server: Running) -> None:
    options = {"num_predict": 2.0, "top_k": 40.0, "seed": 1e3, "num_ctx": 8192.0}
    body = {"model": "echo", "prompt": "one two three", "options": options, "stream": False}
    answer = json.loads(fetch(f"{server.url}/api/generate", "POST", json=body).body)
    assert answer["eval_count"] == 2
    body |= {"model": "reveal", "options": {**options, "num_predict": 4000.0}}
    answer = json.loads(fetch(f"{server.url}/api/generate", "POST", json=body).body)
    sampling = json.loads(answer["response"])["sampling"]
    assert (sampling["seed"], sampling["local"]["top_k"]) == (1000, 40)


def test_base64_with_line_breaks(server: Running) -> None:
    encoded = base64.encodebytes(picture(64, 64)).decode()
    assert encoded.count("\n") > 1
    for data in (encoded, encoded.replace("\n", "\r\n")):
        body = {"model": "vision", "prompt": "x", "images": [data], "stream": False}
        assert fetch(f"{server.url}/api/generate", "POST", json=body).status == 200


def test_the_name_of_a_tool_decides_whose_result_a_message_is(ollama: Client) -> None:
    calls: list[dict[str, Any]] = [
        {"function": {"name": name, "arguments": {}}} for name in ("f", "g")
    ]
    messages = [
        *HELLO,
        {"role": "assistant", "tool_calls": calls},
        {"role": "tool", "content": "second", "name": "g"},
        {"role": "tool", "content": "first", "name": "f"},
    ]
    body = {"model": "reveal", "messages": messages, "stream": False}
    answer = ollama._client.post("/api/chat", json=body).json()
    found = json.loads(answer["message"]["content"])["prompt"]["messages"]
    ids = [call["id"] for call in found[-3]["tool_calls"]]
    assert [message["tool_call_id"] for message in found[-2:]] == ids[::-1]
