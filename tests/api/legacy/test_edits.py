"""`POST /v1/edits`, under both of its URLs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from openedai.api.legacy.edits import EditRequest
from openedai.config import ModelSpec
from openedai.contract.chat import Chat
from tests.api.legacy.client import post, refusal
from tests.prompts.golden_edits import EDIT, INSTRUCTION, TEXT, WRITE
from tests.support import Running, fetch

BODY = {"instruction": INSTRUCTION, "input": TEXT}


def test_the_fields_of_an_answer(legacy_server: Running) -> None:
    edit = post(legacy_server, "/v1/edits", model="echo", **BODY)
    assert edit.keys() == {"object", "created", "choices", "usage"}
    assert (edit["object"], edit["created"]) == ("edit", int(edit["created"]))
    assert edit["choices"] == [{"text": EDIT, "index": 0}]
    words = len(EDIT.split())
    assert edit["usage"] == {
        "prompt_tokens": words + 1,
        "completion_tokens": words,
        "total_tokens": 2 * words + 1,
    }


def test_several_edits(legacy_server: Running) -> None:
    edit = post(legacy_server, "/v1/edits", model="fencer", n=20, **BODY)
    assert edit["choices"] == [{"text": "fixed", "index": index} for index in range(20)]
    assert edit["usage"]["prompt_tokens"] == len(EDIT.split()) + 1


def test_every_parameter_reaches_the_engine(legacy_server: Running) -> None:
    body = {**BODY, "temperature": 0.5, "top_p": 0.9}
    edit = post(legacy_server, "/v1/engines/reveal/edits", **body)
    received = json.loads(edit["choices"][0]["text"])
    assert received == {
        "prompt": {"type": "chat", "messages": [{"role": "user", "content": EDIT}]},
        "sampling": {"temperature": 0.5, "top_p": 0.9},
    }


@pytest.mark.parametrize("parameters", [{}, {"input": None}, {"input": ""}])
def test_an_edit_without_input(legacy_server: Running, parameters: dict[str, Any]) -> None:
    edit = post(legacy_server, "/v1/edits", model="echo", instruction=INSTRUCTION, **parameters)
    assert edit["choices"][0]["text"] == WRITE


def test_nulls_are_ignored(legacy_server: Running) -> None:
    nulls = {"n": None, "temperature": None, "top_p": None}
    assert len(post(legacy_server, "/v1/edits", model="echo", **nulls, **BODY)["choices"]) == 1


def test_a_prompt_format_of_the_model_is_followed() -> None:
    body = EditRequest(model="m", instruction=INSTRUCTION, input=TEXT)
    spec = ModelSpec(id="m", engine="llama_cpp", options={"prompt_format": "alpaca"})
    (request,) = body.to_engine_requests(spec)
    assert isinstance(request.prompt, Chat)
    assert "\n\n### Input:\nWhat day" in request.prompt.messages[-1].content


@pytest.mark.parametrize("name", ["text-davinci-edit-001", "code-davinci-edit-001"])
def test_the_official_names(legacy_server: Running, name: str) -> None:
    assert post(legacy_server, "/v1/edits", model=name, **BODY)["choices"]
    assert post(legacy_server, f"/v1/engines/{name}/edits", **BODY)["choices"]


BAD: list[tuple[dict[str, Any], int, str, str]] = [
    ({"model": "nope"}, 404, "model_not_found", "model"),
    ({"model": "embedder"}, 400, "unsupported_model", "model"),
    ({"model": 5}, 400, "invalid_type", "model"),
    ({"instruction": ""}, 400, "string_below_min_length", "instruction"),
    ({"instruction": None}, 400, "invalid_type", "instruction"),
    ({"input": ["a"]}, 400, "invalid_type", "input"),
    ({"n": 0}, 400, "integer_below_min_value", "n"),
    ({"n": 21}, 400, "integer_above_max_value", "n"),
    ({"n": "2"}, 400, "invalid_type", "n"),
    ({"temperature": 2.1}, 400, "decimal_above_max_value", "temperature"),
    ({"top_p": -0.1}, 400, "decimal_below_min_value", "top_p"),
    ({"max_tokens": 5}, 400, "unknown_parameter", "max_tokens"),
    ({"input": "a " * 5000}, 400, "context_length_exceeded", "input"),
]


@pytest.mark.parametrize(("change", "status", "code", "param"), BAD)
def test_refusals(
    legacy_server: Running, change: dict[str, Any], status: int, code: str, param: str
) -> None:
    body = {"model": "echo", **BODY, **change}
    assert refusal(legacy_server, "/v1/edits", **body) == (status, code, param)


@pytest.mark.parametrize("lacking", ["model", "instruction"])
def test_required_parameters(legacy_server: Running, lacking: str) -> None:
    body = {"model": "echo", **BODY}
    del body[lacking]
    expected = (400, "missing_required_parameter", lacking)
    assert refusal(legacy_server, "/v1/edits", **body) == expected


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"model"', b'{"model": "\xff"}'])
@pytest.mark.parametrize("path", ["/v1/edits", "/v1/engines/echo/edits"])
def test_bodies_that_are_not_objects(legacy_server: Running, path: str, body: bytes) -> None:
    kind = {"content-type": "application/json"}
    answer = fetch(f"{legacy_server.url}{path}", "POST", data=body, headers=kind)
    assert answer.status == 400
    assert json.loads(answer.body)["error"]["type"] == "invalid_request_error"
