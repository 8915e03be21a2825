"""`/v1/tokenize` and `/v1/detokenize`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from openedai.api.extensions.tokens.types import TokenizeRequest
from openedai.api.parameters.generation.prompt import MAX_CHARACTERS
from openedai.http.validation import as_invalid_request
from tests.support import Running, fetch


def post(server: Running, call: str, **body: Any) -> tuple[int, Any]:
    answer = fetch(f"{server.url}/v1/{call}", "POST", json={"model": "echo", **body})
    return answer.status, json.loads(answer.body)


@pytest.mark.parametrize("model", ["echo", "hosted"])
def test_tokenize_and_detokenize(echo_server: Running, model: str) -> None:
    text = "Grüße  an\nalle 🙂 "
    status, found = post(echo_server, "tokenize", model=model, prompt=text)
    assert status == 200
    assert (found["model"], found["count"]) == (model, len(found["tokens"]))
    assert set(found) == {"model", "count", "tokens"}
    back = post(echo_server, "detokenize", model=model, tokens=found["tokens"])
    assert back == (200, {"model": model, "prompt": text})


def test_an_empty_text(echo_server: Running) -> None:
    empty = {"model": "echo", "count": 0, "tokens": []}
    assert post(echo_server, "tokenize", prompt="") == (200, empty)
    assert post(echo_server, "detokenize", tokens=[]) == (200, {"model": "echo", "prompt": ""})


def test_the_text_of_each_token(echo_server: Running) -> None:
    _, found = post(echo_server, "tokenize", prompt="one two one", return_token_strs=True)
    assert found["token_strs"] == ["one", " two", " one"]


def test_too_many_tokens_to_list_their_texts(echo_server: Running) -> None:
    status, found = post(echo_server, "tokenize", prompt="a " * 4097, return_token_strs=True)
    assert (status, found["error"]["param"]) == (400, "return_token_strs")


def test_the_count_of_a_conversation_equals_its_prompt_tokens(echo_server: Running) -> None:
    messages = [{"role": "system", "content": "a b"}, {"role": "user", "content": "c"}]
    _, found = post(echo_server, "tokenize", messages=messages)
    _, answer = post(echo_server, "chat/completions", messages=messages)
    assert found == {"model": "echo", "count": answer["usage"]["prompt_tokens"]}


@pytest.mark.parametrize(
    ("call", "body", "param"),
    [
        ("tokenize", {}, "prompt"),
        ("tokenize", {"prompt": 5}, "prompt"),
        ("tokenize", {"prompt": "a", "messages": [{"role": "user", "content": "a"}]}, "prompt"),
        ("tokenize", {"messages": []}, "messages"),
        ("tokenize", {"messages": [{"role": "king", "content": "a"}]}, "messages[0].role"),
        (
            "tokenize",
            {"messages": [{"role": "user", "content": "a"}], "add_special_tokens": True},
            "add_special_tokens",
        ),
        ("tokenize", {"prompt": "a", "pieces": True}, "pieces"),
        ("detokenize", {}, "tokens"),
        ("detokenize", {"tokens": [-1]}, "tokens[0]"),
        ("detokenize", {"tokens": ["a"]}, "tokens[0]"),
        ("detokenize", {"tokens": [1 << 70]}, "tokens[0]"),
        ("detokenize", {"tokens": [7]}, "tokens"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_bodies(echo_server: Running, call: str, body: dict[str, Any], param: str) -> None:
    status, found = post(echo_server, call, **body)
    assert (status, found["error"]["param"]) == (400, param)


def test_a_text_that_is_too_long() -> None:
    with pytest.raises(ValidationError) as caught:
        TokenizeRequest.model_validate({"model": "echo", "prompt": "a" * (MAX_CHARACTERS + 1)})
    assert as_invalid_request(caught.value.errors()).code == "string_above_max_length"


def test_unknown_models(echo_server: Running) -> None:
    assert post(echo_server, "tokenize", model="nobody", prompt="a")[0] == 404


@pytest.mark.real
@pytest.mark.parametrize("model", ["smollm2-135m-instruct", "all-mpnet-base-v2"])
def test_real_vocabularies(real_server: Running, model: str) -> None:
    text = "the weather in oslo"
    plain = {"model": model, "prompt": text, "add_special_tokens": False}
    _, found = post(real_server, "tokenize", **plain, return_token_strs=True)
    assert len(found["tokens"]) == found["count"] == len(found["token_strs"])
    _, back = post(real_server, "detokenize", model=model, tokens=found["tokens"])
    assert back["prompt"] == text
