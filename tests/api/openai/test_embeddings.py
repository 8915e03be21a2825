"""`POST /v1/embeddings` with the official client, on the echo engine."""

from __future__ import annotations

import base64
import json
import math
import struct

import pytest
from openai import BadRequestError, OpenAI
from openai.types import CreateEmbeddingResponse
from openai.types.embedding_create_params import EmbeddingCreateParams

from openedai.api.openai.embeddings.types import EmbeddingRequest
from openedai.api.parameters.generation.other_servers import OtherServersEmbeddingBody
from tests.support import Running, fetch


def embed(server: Running, **body: object) -> bytes:
    answer = fetch(f"{server.url}/v1/embeddings", "POST", json={"model": "echo", **body})
    assert answer.status == 200, answer.body
    return answer.body


def test_the_client_requests_base64_and_returns_floats(client: OpenAI) -> None:
    answer = client.embeddings.create(model="echo", input="one two")
    assert answer.object == "list"
    assert answer.model == "echo"
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == 2
    assert len(answer.data[0].embedding) == 8
    assert math.isclose(sum(x * x for x in answer.data[0].embedding), 1, rel_tol=1e-5)


def test_base64_is_little_endian_float32(echo_server: Running) -> None:
    plain = CreateEmbeddingResponse.model_validate_json(embed(echo_server, input="hello"))
    packed = json.loads(embed(echo_server, input="hello", encoding_format="base64"))
    vector = struct.unpack("<8f", base64.b64decode(packed["data"][0]["embedding"]))
    assert list(vector) == plain.data[0].embedding


@pytest.mark.parametrize("value", ["a b", ["a b"], [3, 4], [[3, 4]]])
def test_every_form_of_an_input(client: OpenAI, value: list[int]) -> None:
    answer = client.embeddings.create(model="echo", input=value)
    assert len(answer.data) == 1
    assert answer.usage.prompt_tokens == 2


def test_order_is_kept(client: OpenAI) -> None:
    words = [f"word{number}" for number in range(100)]
    together = client.embeddings.create(model="echo", input=words)
    assert [row.index for row in together.data] == list(range(100))
    alone = client.embeddings.create(model="echo", input=words[42])
    assert together.data[42].embedding == alone.data[0].embedding


def test_2048_inputs_in_one_request(client: OpenAI) -> None:
    texts = [f"text {number}" for number in range(2048)]
    answer = client.embeddings.create(model="echo", input=texts)
    assert [row.index for row in answer.data] == [*range(2048)]


def test_dimensions(client: OpenAI) -> None:
    answer = client.embeddings.create(model="echo", input="x", dimensions=3)
    assert len(answer.data[0].embedding) == 3
    assert math.isclose(sum(x * x for x in answer.data[0].embedding), 1, rel_tol=1e-5)


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"input": ""}, "invalid_value", "input"),
        ({"input": ["a", ""]}, "invalid_value", "input"),
        ({"input": []}, "array_below_min_length", "input"),
        ({"input": ["a"] * 2049}, "array_above_max_length", "input"),
        ({"input": {"text": "a"}}, "invalid_type", "input"),
        (
            {"input": [{"type": "image_url", "image_url": {"url": "data:,"}}]},
            "invalid_type",
            "input[0]",
        ),
        ({"input": None}, "invalid_type", "input"),
        ({"dimensions": 9}, "invalid_value", "dimensions"),
        ({"dimensions": 0}, "integer_below_min_value", "dimensions"),
        ({"encoding_format": "hex"}, "invalid_value", "encoding_format"),
        ({"task": "x"}, "unknown_parameter", "task"),
    ],
)
def test_bad_requests(client: OpenAI, change: dict[str, object], code: str, param: str) -> None:
    body = {"model": "echo", "input": "x", **change}
    with pytest.raises(BadRequestError) as caught:
        client.post("/embeddings", body=body, cast_to=object)
    assert (caught.value.code, caught.value.param) == (code, param)


def test_every_official_parameter_is_known() -> None:
    known = set(EmbeddingRequest.model_fields) - set(OtherServersEmbeddingBody.model_fields)
    assert set(EmbeddingCreateParams.__annotations__) == known
