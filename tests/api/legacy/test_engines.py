"""Engines: the models under their old name, and the endpoints of one."""

from __future__ import annotations

import json

import pytest
from openai.types import Completion, CreateEmbeddingResponse
from openai.types.chat import ChatCompletion
from yarl import URL

from tests.api.legacy.client import post, refusal, stream_frames
from tests.support import Running, fetch

HI = [{"role": "user", "content": "one two"}]


def test_list(legacy_server: Running) -> None:
    engines = json.loads(fetch(f"{legacy_server.url}/v1/engines").body)
    models = json.loads(fetch(f"{legacy_server.url}/v1/models").body)
    assert engines.keys() == {"object", "data"}
    assert [one["id"] for one in engines["data"]] == [one["id"] for one in models["data"]]
    for one in engines["data"]:
        assert one.keys() == {"id", "object", "owner", "ready", "created"}
        assert (one["object"], one["owner"], one["ready"]) == ("engine", "openedai", True)
        assert isinstance(one["created"], int)


@pytest.mark.parametrize(
    ("path", "id"),
    [
        ("echo", "echo"),
        ("parrot", "echo"),
        ("owner/echo:latest", "owner/echo:latest"),
        ("owner%2Fecho%3Alatest", "owner/echo:latest"),
    ],
)
def test_retrieve(legacy_server: Running, path: str, id: str) -> None:
    url = URL(f"{legacy_server.url}/v1/engines/{path}", encoded=True)
    assert json.loads(fetch(url).body)["id"] == id


def test_an_unknown_engine(legacy_server: Running) -> None:
    answer = fetch(f"{legacy_server.url}/v1/engines/nope")
    assert answer.status == 404
    assert json.loads(answer.body)["error"]["code"] == "model_not_found"


@pytest.mark.parametrize("id", ["echo", "owner/echo:latest", "owner%2Fecho%3Alatest"])
def test_endpoints_under_an_engine(legacy_server: Running, id: str) -> None:
    path = f"/v1/engines/{id}"
    chat = ChatCompletion.model_validate(
        post(legacy_server, f"{path}/chat/completions", messages=HI)
    )
    assert chat.choices[0].message.content == "one two"
    text = Completion.model_validate(post(legacy_server, f"{path}/completions", prompt="one two"))
    assert text.choices[0].text == "one two"
    vectors = CreateEmbeddingResponse.model_validate(
        post(legacy_server, f"{path}/embeddings", input="one two")
    )
    assert len(vectors.data[0].embedding) == 8
    assert {chat.model, text.model, vectors.model} == {id.replace("%2F", "/").replace("%3A", ":")}


def test_streams_under_an_engine(legacy_server: Running) -> None:
    result = stream_frames(legacy_server, "/v1/engines/echo/chat/completions", messages=HI)
    assert "".join(one["choices"][0]["delta"].get("content") or "" for one in result) == "one two"
    result = stream_frames(legacy_server, "/v1/engines/echo/completions", prompt="one two")
    assert "".join(one["choices"][0]["text"] for one in result) == "one two"


def test_the_engine_of_the_url_overrides_that_of_the_body(legacy_server: Running) -> None:
    answer = post(legacy_server, "/v1/engines/echo/completions", model="nope", prompt="x")
    assert answer["model"] == "echo"


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("chat/completions", {"messages": HI}),
        ("completions", {"prompt": "x"}),
        ("embeddings", {"input": "x"}),
        ("edits", {"instruction": "x"}),
        ("generate", {"context": "x"}),
        ("search", {"query": "x", "documents": ["y"]}),
    ],
)
def test_every_operation_of_an_unknown_engine(
    legacy_server: Running, operation: str, body: dict[str, object]
) -> None:
    expected = (404, "model_not_found", "model")
    assert refusal(legacy_server, f"/v1/engines/nope/{operation}", **body) == expected


def test_an_unknown_operation(legacy_server: Running) -> None:
    status, code, _ = refusal(legacy_server, "/v1/engines/echo/replicas")
    assert (status, code) == (405, "method_not_supported")
