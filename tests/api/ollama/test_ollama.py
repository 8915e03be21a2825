"""Ollama's API, by the official client for Python, over HTTP."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Iterator
from typing import Any, TypeVar

import pytest
from ollama import AsyncClient, ChatResponse, Client, GenerateResponse, ResponseError
from pydantic import BaseModel

from openedai.config import ModelSpec
from tests.media.images import picture
from tests.support import (
    ECHO_MODELS,
    Running,
    ServerThread,
    echo_settings,
    eventually,
    fetch,
    status,
)

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")
HELLO = [{"role": "user", "content": "one two three"}]
NEVER_ENDS = ModelSpec(
    id="endless", engine="echo", options={"delay": 0.001, "repeat": 10**6, "context": 10**9}
)
CALLS = '<tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>'
MODELS = (
    *ECHO_MODELS,
    NEVER_ENDS,
    ModelSpec(id="forecasts", engine="echo", options={"reply": CALLS + "\n" + CALLS}),
    ModelSpec(id="thinks", engine="echo", options={"reply": "<think>hm hm</think>\n\nyes"}),
    ModelSpec(
        id="sampled", engine="echo", options={"slots": 2, "context": 100}, license="Apache-2.0"
    ),
)


def weather(city: str) -> str:
    """What the weather is.

    Args:
        city: where
    """
    return city


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with ServerThread(echo_settings(models=MODELS)) as running:
        yield running


@pytest.fixture
def ollama(server: Running) -> Iterator[Client]:
    with Client(host=server.url) as client:
        yield client


def chat(client: Client, stream: bool, **body: Any) -> ChatResponse:
    """The answer, folded if it is streamed; each line is checked."""
    body = {"model": "echo", "messages": HELLO, **body}
    if not stream:
        return checked(client.chat(**body, stream=False))
    *pieces, last = (checked(piece) for piece in client.chat(**body, stream=True))
    assert [piece.done for piece in pieces] == [False] * len(pieces)
    assert last.message.content == ""
    for piece in pieces:
        assert (piece.done_reason, piece.total_duration, piece.eval_count) == (None, None, None)
        assert piece.message.role == "assistant"
    last.message.content = "".join(piece.message.content or "" for piece in pieces)
    last.message.thinking = "".join(p.message.thinking or "" for p in pieces) or None
    last.message.tool_calls = [c for p in pieces for c in p.message.tool_calls or ()] or None
    last.logprobs = [one for piece in pieces for one in piece.logprobs or ()] or None
    return last


def generate(client: Client, stream: bool, **body: Any) -> GenerateResponse:
    body = {"model": "echo", "prompt": "one two three", **body}
    if not stream:
        return checked(client.generate(**body, stream=False))
    *pieces, last = (checked(piece) for piece in client.generate(**body, stream=True))
    last.response = "".join(piece.response or "" for piece in pieces)
    last.thinking = "".join(piece.thinking or "" for piece in pieces) or None
    return last


P = TypeVar("P", ChatResponse, GenerateResponse)


def checked(piece: P) -> P:
    assert MOMENT.fullmatch(piece.created_at or "")
    return piece


both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


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


def test_an_answer_is_streamed_unless_it_is_asked_whole(server: Running) -> None:
    body = {"model": "echo", "messages": HELLO}
    answer = fetch(f"{server.url}/api/chat", "POST", json=body)
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.body.splitlines()]
    assert [line["done"] for line in lines] == [False, False, False, True]
    whole = fetch(f"{server.url}/api/chat", "POST", json={**body, "stream": False})
    assert whole.headers["content-type"] == "application/json"
    assert json.loads(whole.body)["message"] == {"role": "assistant", "content": "one two three"}


@both
def test_a_limit(ollama: Client, stream: bool) -> None:
    answer = chat(ollama, stream, options={"num_predict": 2})
    assert (answer.message.content, answer.done_reason) == ("one two", "length")
    assert chat(ollama, stream, options={"num_predict": -1}).done_reason == "stop"


@both
def test_stop_texts(ollama: Client, stream: bool) -> None:
    assert chat(ollama, stream, options={"stop": [" three"]}).message.content == "one two"


def revealed(client: Client, **body: Any) -> Any:
    """What the engine got."""
    answer = chat(client, False, model="reveal", **body)
    assert answer.message.content is not None
    return json.loads(answer.message.content)


def test_what_the_engine_gets_of_a_chat(ollama: Client) -> None:
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
    got = revealed(ollama, messages=messages, tools=[weather])["prompt"]
    asked = got["messages"][2]["tool_calls"]
    assert [json.loads(call["arguments"]) for call in asked] == [{}, {"city": "Oslo"}]
    assert got["messages"][2]["reasoning"] == "Hm."
    wet, none = got["messages"][3:]
    assert (wet["name"], wet["tool_call_id"]) == ("weather", asked[1]["id"])
    assert (none["name"], none["tool_call_id"]) == ("sun", asked[0]["id"])
    (tool,) = got["tools"]
    assert (tool["name"], tool["description"]) == ("weather", "What the weather is.")
    assert tool["parameters"]["required"] == ["city"]


def test_results_without_names_belong_to_the_calls_in_turn(ollama: Client) -> None:
    call = {"function": {"name": "weather", "arguments": {}}}
    result = {"role": "tool", "content": "x"}
    messages = [*HELLO, {"role": "assistant", "tool_calls": [call, call]}, result, result, result]
    got = revealed(ollama, messages=messages)["prompt"]["messages"]
    ids = [one["id"] for one in got[1]["tool_calls"]]
    assert len(set(ids)) == 2
    assert [one.get("tool_call_id") for one in got[2:]] == [*ids, None]


@both
def test_calls_of_tools(ollama: Client, stream: bool) -> None:
    answer = chat(ollama, stream, model="forecasts", tools=[weather])
    assert answer.message.tool_calls is not None
    called = [(one.function.name, one.function.arguments) for one in answer.message.tool_calls]
    assert called == [("weather", {"city": "Oslo"})] * 2
    assert answer.done_reason == "stop"
    assert not (answer.message.content or "").strip()


@both
def test_a_call_that_a_limit_cuts_is_left_out(ollama: Client, stream: bool) -> None:
    answer = chat(ollama, stream, model="forecasts", tools=[weather], options={"num_predict": 6})
    assert answer.done_reason == "length"
    assert [one.function.arguments for one in answer.message.tool_calls or ()] == [{"city": "Oslo"}]


@both
def test_thinking(ollama: Client, stream: bool) -> None:
    answer = chat(ollama, stream, model="thinks")
    assert (answer.message.thinking, answer.message.content) == ("hm hm", "yes")
    said = generate(ollama, stream, model="thinks", think=False)
    assert (said.thinking, said.response) == ("hm hm", "yes")


@pytest.mark.parametrize("think", [True, "low", "medium", "high"])
@both
def test_thinking_that_a_model_does_not_know_is_refused(
    ollama: Client, stream: bool, think: Any
) -> None:
    with pytest.raises(ResponseError, match="'think'") as caught:
        chat(ollama, stream, think=think)
    assert caught.value.status_code == 400


class City(BaseModel):
    name: str
    people: int


def test_formats(ollama: Client) -> None:
    schema = City.model_json_schema()
    assert revealed(ollama, format=schema)["constraint"] == {
        "type": "json_schema",
        "schema": schema,
    }
    assert revealed(ollama, format="json")["constraint"] == {"type": "json_object"}
    assert "constraint" not in revealed(ollama, format="")


def test_a_format_that_cannot_be_kept_is_refused(ollama: Client) -> None:
    with pytest.raises(ResponseError, match="'format'") as caught:
        chat(ollama, False, format={"type": "object", "dependentSchemas": {"a": {"not": {}}}})
    assert caught.value.status_code == 400


@both
def test_log_probabilities(ollama: Client, stream: bool) -> None:
    answer = chat(ollama, stream, logprobs=True, top_logprobs=2)
    assert answer.logprobs is not None
    assert [one.token for one in answer.logprobs] == ["one", " two", " three"]
    for one in answer.logprobs:
        assert one.top_logprobs is not None
        assert one.top_logprobs[0].token == one.token
        assert len(one.top_logprobs) == 2
    assert chat(ollama, stream).logprobs is None


def test_what_the_engine_gets_of_a_prompt(ollama: Client) -> None:
    def got(**body: Any) -> Any:
        return json.loads(ollama.generate(model="reveal", prompt="hi", **body).response or "")

    assert got(system="Be brief.")["prompt"]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi"},
    ]
    assert got(raw=True)["prompt"] == {"type": "text", "text": "hi"}
    with pytest.raises(ResponseError, match="'suffix'"):
        got(suffix="end")


def test_models_are_loaded_and_unloaded(server: Running, ollama: Client) -> None:
    def loaded() -> set[str | None]:
        return {one.model for one in ollama.ps().models}

    answer = ollama.chat(model="sampled")
    assert (answer.done_reason, answer.message.content) == ("load", "")
    assert "sampled" in loaded()
    gone = ollama.generate(model="sampled", keep_alive=0)
    assert (gone.done_reason, gone.response) == ("unload", "")
    assert "sampled" not in loaded()
    again = ollama.generate(model="sampled", keep_alive="0")
    assert again.done_reason == "unload"
    assert ollama.embed(model="sampled", input=[]).embeddings == []
    assert "sampled" in loaded()
    for call in (
        lambda: chat(ollama, False, model="sampled", keep_alive=0),
        lambda: chat(ollama, True, model="sampled", keep_alive="0s"),
        lambda: ollama.embed(model="sampled", input="x", keep_alive=0),
    ):
        call()
        assert "sampled" not in loaded()
    chat(ollama, False, model="sampled", keep_alive="1h30m")
    assert "sampled" in loaded()


def test_a_model_in_use_is_not_unloaded(server: Running, ollama: Client) -> None:
    pieces = ollama.chat(model="endless", messages=HELLO, stream=True)
    next(pieces)
    with pytest.raises(ResponseError, match="in use") as caught:
        ollama.generate(model="endless", keep_alive=0)
    assert caught.value.status_code == 503
    assert next(pieces).message.content == " two"
    pieces.close()  # type: ignore[attr-defined]
    eventually(lambda: status(server, "endless")[0] == 0)
    assert ollama.generate(model="endless", keep_alive=0).done_reason == "unload"


def test_a_client_that_leaves_gives_its_place_back(server: Running, ollama: Client) -> None:
    pieces = ollama.generate(model="endless", prompt="a b", stream=True)
    next(pieces)
    assert status(server, "endless")[0] == 1
    pieces.close()  # type: ignore[attr-defined]
    eventually(lambda: status(server, "endless")[0] == 0)


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


def test_list_and_show(server: Running, ollama: Client) -> None:
    listed = {one.model: one for one in ollama.list().models}
    assert set(listed) == {spec.id for spec in MODELS}
    digests = {one.digest for one in listed.values()}
    assert len(digests) == len(MODELS)
    assert all(re.fullmatch("[0-9a-f]{64}", digest or "") for digest in digests)
    shown = ollama.show("sampled")
    assert shown.capabilities == ["completion", "tools", "embedding"]
    assert (shown.license, shown.modified_at) == ("Apache-2.0", listed["sampled"].modified_at)
    assert "vision" in (ollama.show("sees").capabilities or [])
    old = fetch(f"{server.url}/api/show", "POST", json={"name": "parrot"})
    assert old.status == 200


def test_loaded_models(ollama: Client) -> None:
    ollama.chat(model="sampled")
    (one,) = [one for one in ollama.ps().models if one.model == "sampled"]
    assert (one.context_length, one.size, one.size_vram) == (100, 1 << 20, 0)
    assert one.expires_at is not None


def test_models_that_stay_expire_never() -> None:
    with ServerThread(echo_settings(idle_timeout=0)) as running:
        with Client(host=running.url) as client:
            client.chat(model="echo")
            (one,) = client.ps().models
        assert one.expires_at is not None
        assert one.expires_at.year == 9999


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("echo", "echo"),
        ("echo:latest", "echo"),
        ("parrot:latest", "echo"),
        ("owner/echo:latest", "owner/echo:latest"),
        ("owner/echo", "owner/echo:latest"),
    ],
)
def test_names(ollama: Client, asked: str, answered: str) -> None:
    assert chat(ollama, False, model=asked).model == answered


@both
def test_unknown_models(ollama: Client, stream: bool) -> None:
    for call in (chat, generate):
        with pytest.raises(ResponseError, match="`nobody:7b` does not exist") as caught:
            call(ollama, stream, model="nobody:7b")
        assert caught.value.status_code == 404
    with pytest.raises(ResponseError) as shown:
        ollama.show("nobody")
    assert shown.value.status_code == 404


def test_errors_that_come_late(ollama: Client) -> None:
    pieces = ollama.chat(model="fails-later", messages=HELLO, stream=True)
    assert next(pieces).message.content == "one"
    assert next(pieces).message.content == " two"
    with pytest.raises(ResponseError, match="told to fail"):
        next(pieces)


@both
def test_errors_that_come_first_have_their_status(ollama: Client, stream: bool) -> None:
    with pytest.raises(ResponseError, match="told to fail") as caught:
        chat(ollama, stream, model="fails-first")
    assert caught.value.status_code == 500


@pytest.mark.parametrize("stream", [False, True])
def test_pull(ollama: Client, stream: bool) -> None:
    if stream:
        statuses = [one.status for one in ollama.pull("echo", stream=True)]
        assert statuses == ["pulling echo", "success"]
    else:
        assert ollama.pull("echo:latest").status == "success"
    with pytest.raises(ResponseError) as caught:
        list(ollama.pull("nobody", stream=True) if stream else ollama.pull("nobody"))
    assert caught.value.status_code == 404


def test_what_changes_the_catalogue_is_refused(ollama: Client) -> None:
    for call in (
        lambda: ollama.delete("echo"),
        lambda: ollama.copy("echo", "other"),
        lambda: ollama.create("other", from_="echo"),
        lambda: ollama.push("echo"),
        lambda: ollama.create_blob(__file__),
    ):
        with pytest.raises(ResponseError, match="not supported") as caught:
            call()
        assert caught.value.status_code == 400


def test_version_and_root(server: Running) -> None:
    version = json.loads(fetch(f"{server.url}/api/version").body)
    assert re.fullmatch(r"\d+\.\d+\.\d+", version["version"])
    assert fetch(f"{server.url}/").body == b"OpenedAI is running"
    head = fetch(f"{server.url}/", "HEAD")
    assert (head.status, head.body) == (200, b"")


def test_a_model_that_sees_is_given_the_images(ollama: Client) -> None:
    file = picture()
    message = {"role": "user", "content": "What is it?", "images": [file]}
    answer = ollama.chat(model="sees-reveal", messages=[message])
    shown = json.loads(answer.message.content or "")["prompt"]["messages"][0]["images"]
    assert [(base64.b64decode(one["raw"]), one.get("at", 0)) for one in shown] == [(file, 0)]
    alone = ollama.generate(model="sees-reveal", prompt="?", system="Look.", images=[file])
    assert len(json.loads(alone.response or "")["prompt"]["messages"][1]["images"]) == 1
    with pytest.raises(ResponseError) as caught:
        ollama.generate(model="sees", prompt="?", images=[b"no picture"])
    assert (caught.value.status_code, "images[0]" in caught.value.error) == (400, True)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://127.0.0.1"}, 403),
        ({"sec-fetch-site": "cross-site"}, 415),
        ({"referer": "http://evil.example/"}, 415),
    ],
)
def test_what_curl_sends_by_itself(server: Running, headers: dict[str, str], status: int) -> None:
    form = {"content-type": "application/x-www-form-urlencoded", **headers}
    body = json.dumps({"model": "echo", "prompt": "hi", "stream": False}).encode()
    answer = fetch(f"{server.url}/api/generate", "POST", data=body, headers=form)
    assert answer.status == status
    official = fetch(f"{server.url}/v1/completions", "POST", data=body, headers=form)
    assert official.status == (403 if status == 403 else 415)


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("chat", {"messages": "hi"}, "messages"),
    ("chat", {"messages": [{"role": "king", "content": ""}]}, "messages[0].role"),
    ("chat", {"messages": [{"role": "user", "content": 1}]}, "messages[0].content"),
    ("chat", {"messages": [{"role": "user", "images": ["aGk="]}]}, "messages[0].images"),
    (
        "chat",
        {"messages": [{"role": "user", "tool_calls": [{"function": {"name": "f"}}]}]},
        "messages[0].tool_calls",
    ),
    ("chat", {"tools": [{"type": "custom"}]}, "tools[0].type"),
    ("chat", {"tools": [{"function": {"name": "f"}}] * 2}, "tools[1].function.name"),
    (
        "chat",
        {"tools": [{"function": {"name": "f", "parameters": {"type": "array"}}}]},
        "tools[0].function.parameters",
    ),
    ("chat", {"format": "xml"}, "format"),
    ("chat", {"think": "much"}, "think"),
    ("chat", {"keep_alive": "soon"}, "keep_alive"),
    ("chat", {"keep_alive": True}, "keep_alive"),
    ("chat", {"keep_alive": "5"}, "keep_alive"),
    ("chat", {"options": {"temperature": "hot"}}, "options.temperature"),
    ("chat", {"options": {"temperature": -1}}, "options.temperature"),
    ("chat", {"options": {"num_predict": -3}}, "options.num_predict"),
    ("chat", {"options": {"numpredict": 3}}, "options.numpredict"),
    ("chat", {"options": {"tfs_z": 0.5}}, "options.tfs_z"),
    ("chat", {"options": []}, "options"),
    ("chat", {"stream": "yes"}, "stream"),
    ("chat", {"top_logprobs": 2}, "top_logprobs"),
    ("chat", {"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
    ("chat", {"truncate": True}, "truncate"),
    ("chat", {"seeds": 3}, "seeds"),
    ("generate", {"template": "{{ .Prompt }}"}, "template"),
    ("generate", {"context": [1, 2]}, "context"),
    ("generate", {"images": ["aGk="]}, "images"),
    ("generate", {"raw": True, "images": ["aGk="]}, "images"),
    ("chat", {"messages": [{"role": "system", "images": ["aGk="]}]}, "messages[0].images"),
    ("generate", {"raw": True, "system": "x"}, "system"),
    ("generate", {"raw": True, "think": True}, "think"),
    ("generate", {"suffix": "x", "system": "x"}, "system"),
    ("generate", {"width": 5}, "width"),
    ("embed", {"input": 5}, "input"),
    ("embed", {"input": ["a", ""]}, "input"),
    ("embed", {"input": "a", "truncate": False}, "truncate"),
    ("embed", {"input": "a", "dimensions": 0}, "dimensions"),
    ("embed", {"input": "a", "dimensions": 9}, "dimensions"),
    ("embed", {}, "input"),
    ("embeddings", {"prompt": ["a"]}, "prompt"),
    ("pull", {"insecure": True}, "insecure"),
]
FILLED: dict[str, dict[str, Any]] = {
    "chat": {"model": "echo", "messages": HELLO},
    "generate": {"model": "echo", "prompt": "hi"},
}


@pytest.mark.parametrize(("call", "body", "named"), BAD, ids=str)
def test_bad_bodies(server: Running, call: str, body: dict[str, Any], named: str) -> None:
    full = {**FILLED.get(call, {"model": "echo"}), **body}
    answer = fetch(f"{server.url}/api/{call}", "POST", json=full)
    assert answer.status == 400
    error = json.loads(answer.body)
    assert set(error) == {"error"}
    assert f"'{named}'" in error["error"]


@pytest.mark.parametrize("call", ["chat", "generate", "embed", "show", "pull"])
def test_no_model(server: Running, call: str) -> None:
    answer = fetch(
        f"{server.url}/api/{call}", "POST", json={"input": "x"} if call == "embed" else {}
    )
    assert answer.status == 400
    assert "'model'" in json.loads(answer.body)["error"]


def test_a_key_is_needed_where_there_is_one() -> None:
    with ServerThread(echo_settings(api_key="secret")) as running:
        for path in ("/api/tags", "/api/version", "/api/ps", "/", "/v1/internal/model/list"):
            assert fetch(f"{running.url}{path}").status == 401
        with (
            Client(host=running.url) as stranger,
            pytest.raises(ResponseError, match="API key") as caught,
        ):
            stranger.chat(model="echo", messages=HELLO)
        assert caught.value.status_code == 401
        with Client(host=running.url, headers={"authorization": "Bearer secret"}) as friend:
            assert friend.chat(model="echo", messages=HELLO).message.content == "one two three"


def test_pages_of_other_hosts_are_refused(server: Running) -> None:
    for headers in ({"host": "evil.example"}, {"origin": "http://evil.example"}):
        answer = fetch(f"{server.url}/api/chat", "POST", json=FILLED["chat"], headers=headers)
        assert answer.status == 403
        assert set(json.loads(answer.body)) == {"error"}


def test_the_asynchronous_client(server: Running) -> None:
    async def texts(pieces: Any) -> list[str | None]:
        return [piece.message.content async for piece in pieces]

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
        details = {one.model: one.details for one in client.list().models}
        answer = client.chat(
            model="smollm2-135m-instruct",
            messages=[{"role": "user", "content": "Name a city and how many people live there."}],
            format=City.model_json_schema(),
            options={"temperature": 0, "num_predict": 200},
        )
        shown = client.show("smollm2-135m-instruct")
        (vector,) = client.embed(model="all-mpnet-base-v2", input="a text").embeddings
        loaded = {one.model for one in client.ps().models}
    City.model_validate_json(answer.message.content or "")
    assert shown.modelinfo is not None
    assert shown.modelinfo["general.architecture"] == "llama"
    assert shown.modelinfo["llama.context_length"] == 8192
    known = details["smollm2-135m-instruct"]
    assert known is not None
    assert (known.format, known.family, known.parameter_size) == ("gguf", "llama", "134.52M")
    assert known.quantization_level
    assert len(vector) == 768
    assert loaded >= {"smollm2-135m-instruct", "all-mpnet-base-v2"}
