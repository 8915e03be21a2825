"""`GET /v1/models`, and ids with signs in them."""

from __future__ import annotations

import json

import anthropic
import pytest
from anthropic import Anthropic
from anthropic.types import ModelInfo
from openai import NotFoundError, OpenAI
from openai.types import Model
from yarl import URL

from openedai.config import ModelSpec
from tests.support import Running, ServerThread, echo_settings, fetch


def test_list(client: OpenAI) -> None:
    models = list(client.models.list())
    assert "echo" in [model.id for model in models]
    for model in models:
        Model.model_validate(model.to_dict(), strict=True)
        assert model.object == "model"


def test_the_context_is_shown_where_it_is_known() -> None:
    models = (
        ModelSpec(id="short", engine="echo", options={"context": 100}),
        ModelSpec(id="vectors", engine="onnx_embeddings", source="hf:o/r"),
        ModelSpec(id="local", engine="llama_cpp", source="hf:o/r"),
        ModelSpec(id="long", engine="llama_cpp", source="hf:o/r", options={"context": 16384}),
        ModelSpec(id="far", engine="upstream", options={"url": "http://127.0.0.1:9"}),
    )
    settings = echo_settings(models=models, chat_model="short", embedding_model="vectors")
    with ServerThread(settings) as server, server.client() as client:
        listed = {model.id: model.to_dict() for model in client.models.list()}
        found = {name: model.get("max_model_len") for name, model in listed.items()}
        expected = {"short": 100, "vectors": None, "local": 8192, "long": 16384, "far": None}
        assert found == expected
        for name, model in listed.items():
            assert model.get("context_length") == found[name]
            assert client.models.retrieve(name).to_dict() == model


def test_retrieve(client: OpenAI) -> None:
    assert client.models.retrieve("echo").id == "echo"


@pytest.mark.parametrize("path", ["owner/echo:latest", "owner%2Fecho%3Alatest"])
def test_ids_with_slashes_and_colons(echo_server: Running, path: str) -> None:
    answer = fetch(URL(f"{echo_server.url}/v1/models/{path}", encoded=True))
    assert Model.model_validate_json(answer.body).id == "owner/echo:latest"


def test_an_alias_is_retrieved_under_its_own_name(client: OpenAI) -> None:
    assert client.models.retrieve("gpt-4o").id == "gpt-4o"
    assert "gpt-4o" not in [model.id for model in client.models.list()]


def test_listed_aliases() -> None:
    settings = echo_settings(listed_aliases=("gpt-3.5-turbo", "text-embedding-ada-002"))
    with ServerThread(settings) as server, server.client() as client:
        names = [model.id for model in client.models.list()]
        assert names[-2:] == ["gpt-3.5-turbo", "text-embedding-ada-002"]
        assert names[0] == "echo"
        assert [client.models.retrieve(name).id for name in names] == names
        with server.anthropic_client() as anthropic_client:
            assert [model.id for model in anthropic_client.models.list()] == names


def test_as_anthropic_lists_them(anthropic_client: Anthropic, client: OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    for limit in (1, 2, 1000):
        models = list(anthropic_client.models.list(limit=limit))
        assert [model.id for model in models] == names
    for model in models:
        ModelInfo.model_validate(model.to_dict(mode="python"), strict=True)
        assert (model.type, model.display_name) == ("model", model.id)
    page = anthropic_client.models.list(before_id=names[3], limit=2)
    assert [model.id for model in page.data] == names[1:3]
    assert (page.first_id, page.last_id, page.has_more) == (names[1], names[2], True)
    assert anthropic_client.models.list(lifecycle=["retired"]).data == []
    assert anthropic_client.models.retrieve("claude-opus-5").id == "echo"
    assert anthropic_client.models.retrieve("owner/echo:latest").id == "owner/echo:latest"


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=x", "limit=", "limit=-1", "after_id=no", "before_id=no"],
)
def test_bad_pages(echo_server: Running, query: str) -> None:
    headers = {"anthropic-version": "2023-06-01"}
    answer = fetch(f"{echo_server.url}/v1/models?{query}", headers=headers)
    assert answer.status == 400
    error = json.loads(answer.body)["error"]
    assert error["type"] == "invalid_request_error"
    assert query.partition("=")[0] in error["message"]


def test_unknown_to_anthropics_client(anthropic_client: Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as caught:
        anthropic_client.models.retrieve("owner/none")
    assert caught.value.type == "not_found_error"


def test_unknown(client: OpenAI) -> None:
    with pytest.raises(NotFoundError) as caught:
        client.models.retrieve("owner/none")
    assert caught.value.code == "model_not_found"
    assert "`owner/none`" in caught.value.message
