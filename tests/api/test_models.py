"""`GET /v1/models`, and ids with signs in them."""

from __future__ import annotations

import pytest
from openai import NotFoundError, OpenAI
from openai.types import Model
from yarl import URL

from tests.support import Running, fetch


def test_list(client: OpenAI) -> None:
    models = list(client.models.list())
    assert "echo" in [model.id for model in models]
    for model in models:
        Model.model_validate(model.to_dict(), strict=True)
        assert model.object == "model"


def test_retrieve(client: OpenAI) -> None:
    assert client.models.retrieve("echo").id == "echo"


@pytest.mark.parametrize("path", ["owner/echo:latest", "owner%2Fecho%3Alatest"])
def test_ids_with_slashes_and_colons(echo_server: Running, path: str) -> None:
    answer = fetch(URL(f"{echo_server.url}/v1/models/{path}", encoded=True))
    assert Model.model_validate_json(answer.body).id == "owner/echo:latest"


def test_an_alias_shows_what_it_means(client: OpenAI) -> None:
    assert client.models.retrieve("gpt-4o").id == "echo"


def test_unknown(client: OpenAI) -> None:
    with pytest.raises(NotFoundError) as caught:
        client.models.retrieve("owner/none")
    assert caught.value.code == "model_not_found"
    assert "`owner/none`" in caught.value.message
