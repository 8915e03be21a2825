"""Numbers at the edges of what is documented, with the engine that uses them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support import Answer, Running, fetch

pytestmark = pytest.mark.real


def post(server: Running, path: str, **body: Any) -> Answer:
    body = {"model": "smollm2-135m-instruct", **body}
    return fetch(f"{server.url}{path}", "POST", json=body)


def chat(server: Running, **body: Any) -> Answer:
    messages = [{"role": "user", "content": "Say hi."}]
    return post(server, "/v1/chat/completions", **{"messages": messages, "max_tokens": 2, **body})


@pytest.mark.parametrize(
    "body",
    [
        {"repeat_last_n": -1, "repeat_penalty": 1.5},
        {"repeat_last_n": 2**63 - 1, "repeat_penalty": 1.5},
        {"dry_penalty_last_n": -1, "dry_multiplier": 1},
        {"dry_allowed_length": 2**63 - 1, "dry_multiplier": 1},
        {"repeat_penalty": 0},
        {"seed": -(2**63)},
        {"seed": 2**63 - 1, "n": 2},
        {"max_tokens": 2**31, "grammar": 'root ::= "yes"'},
        {"max_tokens": 2**63 - 1, "grammar": 'root ::= "yes"'},
    ],
    ids=str,
)
def test_what_is_documented_works(real_server: Running, body: dict[str, Any]) -> None:
    answer = chat(real_server, **body)
    assert answer.status == 200, answer.body


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"logit_bias": {"9" * 5000: 1}}, "logit_bias"),
        ({"logit_bias": {"999999": 1}}, "logit_bias"),
        ({"logit_bias": {"-1": 1}}, "logit_bias"),
        ({"repeat_last_n": -2}, "repeat_last_n"),
        ({"repeat_last_n": 2**63}, "repeat_last_n"),
        ({"seed": 2**63}, "seed"),
        ({"max_tokens": 10**400}, "max_tokens"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_error_names_the_parameter(
    real_server: Running, body: dict[str, Any], param: str
) -> None:
    answer = chat(real_server, **body)
    assert answer.status == 400
    assert json.loads(answer.body)["error"]["param"] == param


@pytest.mark.parametrize("prompt", [[999999], [1, 49152], [[1], [2**32 - 1]]])
@pytest.mark.parametrize("logprobs", [None, 1])
def test_a_token_that_does_not_exist(
    real_server: Running, prompt: list[Any], logprobs: int | None
) -> None:
    answer = post(real_server, "/v1/completions", prompt=prompt, logprobs=logprobs)
    assert answer.status == 400
    error = json.loads(answer.body)["error"]
    token = prompt[-1][0] if isinstance(prompt[-1], list) else prompt[-1]
    assert error["message"].startswith(f"There is no token {token}: ")
    assert error["message"].endswith(" the ids 0 to 49151.")
    assert error["param"] == "prompt"


@pytest.mark.parametrize("keep_alive", [10**400, -(10**400), f"{'9' * 400}h", 0.5])
def test_keep_alive_of_any_length(real_server: Running, keep_alive: object) -> None:
    options = {"num_predict": 1}
    body = {"prompt": "hi", "keep_alive": keep_alive, "options": options, "stream": False}
    assert post(real_server, "/api/generate", **body).status == 200
