"""Embeddings, and the names of models."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import msgspec
import pytest

from openedai.contract.embed import EmbedRequest
from openedai.contract.generate import Text
from openedai.engines.upstream.answers.embeddings import read_embeddings
from openedai.engines.upstream.answers.models import read_names
from openedai.engines.upstream.answers.problems import MalformedAnswer
from openedai.errors import InvalidRequest

ROWS = [[1.0, 0.0, 0.0], [0.0, 3.0, 4.0]]


def encoded(row: list[float]) -> str:
    return base64.b64encode(struct.pack("<3f", *row)).decode()


def embeddings(data: Any, dimensions: int | None = None) -> list[float]:
    inputs = (Text(text="a"), Text(text="b"))
    body = json.dumps({"data": data, "usage": {"prompt_tokens": 4, "total_tokens": 4}}).encode()
    result = read_embeddings(body, EmbedRequest(inputs=inputs, dimensions=dimensions))
    assert result.prompt_tokens == 4
    return [number for (number,) in struct.iter_unpack("<f", result.data)]


def test_embeddings_in_both_encodings_and_any_order() -> None:
    flat = [*ROWS[0], *ROWS[1]]
    assert embeddings([{"embedding": row} for row in ROWS]) == flat
    assert embeddings([{"embedding": encoded(row)} for row in ROWS]) == flat
    turned = [{"index": n, "embedding": encoded(ROWS[n])} for n in (1, 0)]
    assert embeddings(turned) == flat


def test_dimensions_that_the_upstream_ignores() -> None:
    data = [{"embedding": row} for row in ROWS]
    assert embeddings(data, 2) == [1.0, 0.0, 0.0, 1.0]
    with pytest.raises(InvalidRequest) as caught:
        embeddings(data, 4)
    assert caught.value.param == "dimensions"


@pytest.mark.parametrize(
    "data",
    [
        [],
        [{"embedding": [1.0]}],
        [{"embedding": [1.0]}] * 3,
        [{"embedding": [1.0], "index": 0}] * 2,
        [{"embedding": [1.0], "index": 5}, {"embedding": [1.0], "index": 0}],
        [{"embedding": [1.0]}, {"embedding": [1.0, 2.0]}],
        [{"embedding": []}, {"embedding": []}],
        [{"embedding": "abc"}, {"embedding": "abc"}],
        [{"embedding": "AAA="}, {"embedding": "AAA="}],
        [{"embedding": [1e300]}, {"embedding": [1e300]}],
    ],
)
def test_malformed_embeddings(data: Any) -> None:
    with pytest.raises(MalformedAnswer):
        embeddings(data)


def test_names_of_models() -> None:
    body = b'{"object": "list", "data": [{"id": "x", "owned_by": "y"}, {"id": "z"}, {"id": "x"}]}'
    assert read_names(body, {}) == ("x", "z")
    assert read_names(body, {"ours": "z", "other": "gone"}) == ("x", "ours")
    assert read_names(b'{"data": null}', {}) == ()
    with pytest.raises(msgspec.DecodeError):
        read_names(b'{"models": []}', {})
