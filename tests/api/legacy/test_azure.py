"""The URLs of Azure, with its official client, and its newer ones with the usual client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openai import AuthenticationError, AzureOpenAI, BadRequestError, NotFoundError, OpenAI
from openai.types import Completion, CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessageParam
from yarl import URL

from tests.support import Running, ServerThread, echo_settings, fetch, wait_until

VERSION = "2024-10-21"
HI: list[ChatCompletionMessageParam] = [{"role": "user", "content": "one two"}]


@pytest.fixture
def azure(legacy_server: Running) -> Iterator[AzureOpenAI]:
    with AzureOpenAI(
        azure_endpoint=legacy_server.url, api_key="dummy", api_version=VERSION, max_retries=0
    ) as client:
        yield client


@pytest.mark.parametrize("deployment", ["echo", "owner/echo:latest"])
def test_chat(azure: AzureOpenAI, deployment: str) -> None:
    answer = azure.chat.completions.create(model=deployment, messages=HI)
    ChatCompletion.model_validate(answer.to_dict(), strict=True)
    assert answer.model == deployment
    assert answer.choices[0].message.content == "one two"


def test_chat_streamed(azure: AzureOpenAI) -> None:
    text = ""
    for chunk in azure.chat.completions.create(model="echo", messages=HI, stream=True):
        ChatCompletionChunk.model_validate(chunk.to_dict(), strict=True)
        text += chunk.choices[0].delta.content or ""
    assert text == "one two"


def test_completions(azure: AzureOpenAI) -> None:
    answer = azure.completions.create(model="echo", prompt="one two")
    Completion.model_validate(answer.to_dict(), strict=True)
    assert answer.choices[0].text == "one two"
    chunks = azure.completions.create(model="echo", prompt="one two", stream=True)
    assert "".join(chunk.choices[0].text for chunk in chunks) == "one two"


def test_embeddings(azure: AzureOpenAI) -> None:
    answer = azure.embeddings.create(model="echo", input=["one", "two"])
    CreateEmbeddingResponse.model_validate(answer.to_dict(), strict=True)
    assert [len(row.embedding) for row in answer.data] == [8, 8]


def test_a_client_for_one_deployment(legacy_server: Running) -> None:
    """The name that it is made with is in the URL, and goes before the one in the body."""
    with AzureOpenAI(
        azure_endpoint=legacy_server.url,
        azure_deployment="echo",
        api_key="dummy",
        api_version=VERSION,
    ) as client:
        answer = client.chat.completions.create(model="nope", messages=HI)
        assert answer.model == "echo"
        assert client.models.retrieve("parrot").id == "parrot"


def test_models(azure: AzureOpenAI) -> None:
    assert "owner/echo:latest" in [model.id for model in azure.models.list()]
    assert azure.models.retrieve("owner/echo:latest").id == "owner/echo:latest"


@pytest.fixture(params=["older", "newer"])
def either(request: pytest.FixtureRequest, legacy_server: Running) -> Iterator[OpenAI]:
    """A client of Azure, and the usual one for Azure's newer URLs."""
    client: OpenAI = (
        AzureOpenAI(azure_endpoint=legacy_server.url, api_key="dummy", api_version=VERSION)
        if request.param == "older"
        else OpenAI(base_url=f"{legacy_server.url}/openai/v1/", api_key="dummy")
    )
    with client:
        yield client


def test_files(either: OpenAI) -> None:
    made = either.files.create(file=("a.txt", b"abc"), purpose="user_data")
    assert either.files.retrieve(made.id) == made
    assert made.id in [file.id for file in either.files.list()]
    assert either.files.content(made.id).read() == b"abc"
    assert either.files.delete(made.id).deleted
    upload = either.uploads.upload_file_chunked(
        file=b"abcdef", filename="b.txt", bytes=6, mime_type="text/plain", purpose="user_data"
    )
    assert upload.file is not None
    assert either.files.content(upload.file.id).read() == b"abcdef"


@pytest.mark.parametrize("version", ["", "/v1"])
def test_batches(either: OpenAI, version: str) -> None:
    """Azure names endpoints without `/v1`."""
    url: Any = f"{version}/chat/completions"
    line = {"custom_id": "a", "method": "POST", "url": url, "body": {"model": "echo"}}
    line["body"] = {"model": "echo", "messages": HI}
    file = either.files.create(file=("in.jsonl", json.dumps(line).encode()), purpose="batch")
    made = either.batches.create(input_file_id=file.id, endpoint=url, completion_window="24h")
    assert made.endpoint == "/v1/chat/completions"
    wait_until(lambda: either.batches.retrieve(made.id).status == "completed")
    assert made.id in [batch.id for batch in either.batches.list()]
    output = either.batches.retrieve(made.id).output_file_id or ""
    answer = json.loads(either.files.content(output).text)
    assert answer["response"]["body"]["choices"][0]["message"]["content"] == "one two"
    with pytest.raises(BadRequestError, match="status 'completed'"):
        either.batches.cancel(made.id)


def test_fine_tuning(either: OpenAI) -> None:
    jobs = either.fine_tuning.jobs
    assert list(jobs.list()) == []
    with pytest.raises(BadRequestError):
        jobs.create(model="echo", training_file="file-none")
    for request in (
        jobs.retrieve,
        jobs.cancel,
        jobs.pause,
        jobs.resume,
        jobs.list_events,
        jobs.checkpoints.list,
    ):
        with pytest.raises(NotFoundError, match="ftjob-none"):
            request("ftjob-none")
    with pytest.raises(NotFoundError) as missing:
        either.models.delete("ft:none")
    assert missing.value.code == "model_not_found"


def test_errors(azure: AzureOpenAI) -> None:
    with pytest.raises(NotFoundError) as unknown:
        azure.chat.completions.create(model="nope", messages=HI)
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    with pytest.raises(BadRequestError) as wrong:
        azure.chat.completions.create(model="echo", messages=HI, temperature=3)
    assert (wrong.value.code, wrong.value.param) == ("decimal_above_max_value", "temperature")
    with pytest.raises(BadRequestError) as bad_endpoint:
        azure.batches.create(input_file_id="f", endpoint="/v1/nothing", completion_window="24h")  # type: ignore[arg-type]
    assert bad_endpoint.value.param == "endpoint"
    with pytest.raises(NotFoundError) as lacking:
        azure.moderations.create(model="echo", input="x")
    assert "Invalid URL (POST /openai/moderations)" in str(lacking.value)


@pytest.mark.parametrize("query", ["", "?api-version=2023-05-15", "?api-version=never", "?x=y"])
def test_every_version_is_accepted(legacy_server: Running, query: str) -> None:
    url = f"{legacy_server.url}/openai/deployments/echo/chat/completions{query}"
    answer = fetch(url, "POST", json={"messages": HI})
    assert json.loads(answer.body)["model"] == "echo"


def test_an_encoded_name(legacy_server: Running) -> None:
    path = "/openai/deployments/owner%2Fecho%3Alatest/completions?api-version=1"
    url = URL(f"{legacy_server.url}{path}", encoded=True)
    assert json.loads(fetch(url, "POST", json={"prompt": "x"}).body)["model"] == "owner/echo:latest"


@pytest.fixture(scope="module")
def locked() -> Iterator[Running]:
    with ServerThread(echo_settings(api_key="secret")) as running:
        yield running


def test_the_key_in_either_header(locked: Running) -> None:
    """As `api-key`, or as a bearer token, which Azure's directory would give."""
    where: dict[str, Any] = {"azure_endpoint": locked.url, "api_version": VERSION}
    with (
        AzureOpenAI(**where, api_key="secret") as keyed,
        AzureOpenAI(**where, azure_ad_token="secret") as named,
        AzureOpenAI(**where, api_key="wrong") as wrong,
    ):
        assert keyed.chat.completions.create(model="echo", messages=HI).model == "echo"
        assert named.chat.completions.create(model="echo", messages=HI).model == "echo"
        with pytest.raises(AuthenticationError) as caught:
            wrong.chat.completions.create(model="echo", messages=HI)
        assert caught.value.code == "invalid_api_key"


def test_the_newer_urls(legacy_server: Running) -> None:
    with OpenAI(base_url=f"{legacy_server.url}/openai/v1/", api_key="dummy") as client:
        assert client.chat.completions.create(model="echo", messages=HI).model == "echo"
        assert client.completions.create(model="echo", prompt="x").choices[0].text == "x"
        assert len(client.embeddings.create(model="echo", input="x").data[0].embedding) == 8
        assert "echo" in [model.id for model in client.models.list()]
        assert client.models.retrieve("parrot").id == "parrot"
