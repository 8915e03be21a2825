"""docs/anthropic.md agrees with the official client's types and with the code."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from anthropic.types import MessageCountTokensParams, ToolParam, message_create_params
from anthropic.types.beta import message_create_params as beta_params
from pydantic import ValidationError

from openedai.api.anthropic.blocks import SERVER_BLOCKS, OtherBlock
from openedai.api.anthropic.dialect import ANTHROPIC
from openedai.api.anthropic.tools import ToolParam as OurTool
from openedai.api.anthropic.types import CountTokensRequest, MessagesRequest
from openedai.api.parameters.generation.sampling import LocalSamplingBody
from openedai.errors import APIError
from openedai.http.body import AllowedOnly, Body
from openedai.http.validation import as_invalid_request
from tests.docs.pages import code_words, section, tables

PAGE = "docs/anthropic.md"
BODY: dict[str, Any] = {
    "model": "m",
    "max_tokens": 5000,
    "messages": [{"role": "user", "content": "hi"}],
}
TOOL: dict[str, Any] = {"name": "f", "input_schema": {"type": "object"}}
HEADERS = {"betas", "user_profile_id", "workspace_id"}
READ_BY_ROUTES = {"model", "stream"}
OFFICIAL = {
    *message_create_params.MessageCreateParamsBase.__annotations__,
    *beta_params.MessageCreateParamsBase.__annotations__,
    "stream",
}

# Table by table: the official names, our model, and a body to which a parameter is added.
TABLES: list[tuple[set[str], type[Body], dict[str, Any]]] = [
    (OFFICIAL, MessagesRequest, BODY),
    ({"temperature", "top_k", "top_p"}, MessagesRequest, BODY),
    (set(ToolParam.__annotations__), OurTool, TOOL),
]

# Values other than the default, for those that are honoured or have no effect.
VALUES: dict[str, Any] = {
    "cache_control": {"type": "ephemeral"},
    "description": "d",
    "eager_input_streaming": False,
    "input_examples": [{"a": 1}],
    "input_schema": {"type": "object", "properties": {}},
    "max_tokens": 5,
    "messages": [{"role": "user", "content": "ho"}],
    "metadata": {"user_id": "someone"},
    "name": "g",
    "output_config": {"effort": "low"},
    "service_tier": "standard_only",
    "stop_sequences": ["END"],
    "strict": True,
    "system": "Be kind.",
    "temperature": 0.5,
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "tool_choice": {"type": "any"},
    "tools": [TOOL],
    "top_k": 5,
    "top_p": 0.5,
}
# Values that ask for something, for those that are refused.
REFUSED_VALUES: dict[str, Any] = {
    "allowed_callers": ["code_execution_20260521"],
    "context_management": {"edits": [{"type": "compact_20260112"}]},
    "defer_loading": True,
    "mcp_servers": [{"type": "url", "url": "http://localhost", "name": "n"}],
    "speed": "fast",
}


def rows(table: int) -> list[list[str]]:
    return tables(section(PAGE, "Parameters"))[table]


def cases(status: str) -> list[tuple[int, str]]:
    return [
        (table, row[0].strip("`"))
        for table in range(len(TABLES))
        for row in rows(table)
        if row[1] == status
    ]


def engine_request(model: type[Body], body: dict[str, Any]) -> Any:
    """What the engine gets of a body."""
    value = model.model_validate(body)
    assert isinstance(value, MessagesRequest | OurTool)
    return value.to_engine() if isinstance(value, OurTool) else value.to_engine_request({})


@pytest.mark.parametrize("table", range(len(TABLES)))
def test_every_official_parameter_has_one_row(table: int) -> None:
    names = [row[0].strip("`") for row in rows(table)]
    assert len(names) == len(set(names))
    assert set(names) == TABLES[table][0]
    assert {row[1] for row in rows(table)} <= {"honoured", "no effect", "refused"}


@pytest.mark.parametrize(("table", "name"), cases("refused"))
def test_refused_parameters_are_refused(table: int, name: str) -> None:
    _, model, body = TABLES[table]
    with pytest.raises(ValidationError) as caught:
        model.model_validate({**body, name: REFUSED_VALUES.get(name, {"type": "x"})})
    error = as_invalid_request(caught.value.errors())
    assert (error.code, error.param) == ("unsupported_parameter", name)
    model.model_validate({**body, name: None})
    (only,) = [mark for mark in model.model_fields[name].metadata if type(mark) is AllowedOnly]
    (note,) = [row[2] for row in rows(table) if row[0] == f"`{name}`"]
    assert bool(only.values) == ("accepted" in note)
    for value in only.values:
        expected = str(value).replace("'", '"').replace("False", "false")
        assert f"`{expected}`" in note


@pytest.mark.parametrize(("table", "name"), cases("honoured"))
def test_honoured_parameters_reach_the_engine(table: int, name: str) -> None:
    _, model, body = TABLES[table]
    if name in READ_BY_ROUTES or (model, name) == (OurTool, "type"):
        return
    needed_fields = {"tools": [TOOL]} if name == "tool_choice" else {}
    changed = engine_request(model, {**body, **needed_fields, name: VALUES[name]})
    assert changed != engine_request(model, {**body, **needed_fields})


@pytest.mark.parametrize(("table", "name"), cases("no effect"))
def test_parameters_without_effect_have_none(table: int, name: str) -> None:
    _, model, body = TABLES[table]
    if name in HEADERS:
        assert name not in model.model_fields
    else:
        assert engine_request(model, {**body, name: VALUES[name]}) == engine_request(model, body)


def test_all_other_parameters_are_samplers() -> None:
    listed = {row[0].strip("`") for table in (0, 1) for row in rows(table)} - HEADERS
    assert set(MessagesRequest.model_fields) == listed | set(LocalSamplingBody.model_fields)


def test_counting_takes_the_official_parameters() -> None:
    official = set(MessageCountTokensParams.__annotations__) - HEADERS
    beta = {"context_management", "mcp_servers", "thread"}
    assert set(CountTokensRequest.model_fields) == official | beta


def test_every_block_has_a_row() -> None:
    (table,) = tables(section(PAGE, "Messages"))
    listed = {code for row in table for code in code_words(row[0])}
    known = set(get_args(OtherBlock.model_fields["type"].annotation))
    assert listed == known - set(SERVER_BLOCKS)


def test_every_type_of_error_has_its_statuses() -> None:
    def subclasses(error: type[APIError]) -> set[type[APIError]]:
        return {error, *(one for below in error.__subclasses__() for one in subclasses(below))}

    (table,) = tables(section(PAGE, "Errors"))
    listed = {int(status): code_words(row[1])[0] for row in table for status in row[0].split(", ")}
    errors = {}
    for block_type in subclasses(APIError):
        error = block_type.__new__(block_type)
        APIError.__init__(error, "x")
        errors[block_type.status] = ANTHROPIC.error_body(error, "req_1")["error"]["type"]
    assert listed == errors
