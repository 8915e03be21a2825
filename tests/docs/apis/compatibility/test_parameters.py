"""Parameters are honoured, refused or without effect as docs/compatibility.md has it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from openedai.api.openai.chat.types import ChatCompletionRequest
from openedai.api.openai.images.types import ImageBody
from openedai.api.openai.responses.types import ResponseRequest
from openedai.http.body import AllowedOnly, Body
from openedai.http.validation import as_invalid_request
from tests.docs.apis.compatibility.bodies import Table
from tests.docs.apis.compatibility.requests import assert_changes_the_request, engine_request
from tests.docs.apis.compatibility.rows import TABLES, cases, rows
from tests.docs.apis.compatibility.values import REFUSED_VALUES, VALUES
from tests.docs.apis.compatibility.values_by_type import VALUES_BY_TYPE

# Those that routes read themselves, tested in tests/api.
READ_BY_ROUTES = {"model", "stream", "stream_options", "stream_format", "encoding_format"}

READ_BY_ROUTES |= {"search_model", "return_prompt", "expand"}

READ_BY_ROUTES |= {"context_management", "conversation", "previous_response_id", "truncation"}

READ_BY_ROUTES |= {"max_tool_calls"}

READ_BY_ROUTES |= {"modalities", "audio", "completion_window"}

# The same, in some bodies only.
READ_BY_ROUTES_OF: dict[str, tuple[type[Body], ...]] = {
    "metadata": (ChatCompletionRequest,),
    "moderation": (ChatCompletionRequest, ResponseRequest),
    "response_format": (ImageBody,),
    "background": (ResponseRequest,),
    "store": (ChatCompletionRequest, ResponseRequest),
}


def refused_value(model: type[Body], name: str) -> Any:
    """A value that requests something."""
    if name == "add_special_tokens":  # completions have them, chat templates bring them
        return model is ChatCompletionRequest
    return REFUSED_VALUES[name]


@pytest.mark.parametrize(("table", "name"), cases("refused"))
def test_refused_parameters_are_refused(table: Table, name: str) -> None:
    _, model, body = TABLES[table]
    with pytest.raises(ValidationError) as caught:
        model.model_validate({**body, name: refused_value(model, name)})
    error = as_invalid_request(caught.value.errors())
    assert (error.code, error.param) == ("unsupported_parameter", name)
    model.model_validate({**body, name: None})


@pytest.mark.parametrize(("table", "name"), cases("refused"))
def test_accepted_values_of_refused_parameters_are_documented(table: Table, name: str) -> None:
    (only,) = [
        mark for mark in TABLES[table][1].model_fields[name].metadata if type(mark) is AllowedOnly
    ]
    (note,) = [row[2] for row in rows(table) if row[0] == f"`{name}`"]
    assert bool(only.values) == ("accepted" in note)
    # Which are equal in Python.
    numbers: dict[int, tuple[str, ...]] = {1: ("true", "1"), 0: ("false", "0")}
    for value in only.values:
        texts = numbers.get(value, (str(value),)) if isinstance(value, int) else (str(value),)
        assert any(text.replace("'", '"') in note.replace("`", "") for text in texts)


@pytest.mark.parametrize(("table", "name"), cases("honoured"))
def test_honoured_parameters_reach_the_engine(table: Table, name: str) -> None:
    _, model, body = TABLES[table]
    marks = model.model_fields[name].metadata
    assert not any(isinstance(mark, AllowedOnly) for mark in marks)
    in_route = issubclass(model, READ_BY_ROUTES_OF.get(name, ()))
    if name not in READ_BY_ROUTES and not in_route:
        assert_changes_the_request(model, body, name)


@pytest.mark.parametrize(("table", "name"), cases("no effect"))
def test_parameters_without_effect_have_none(table: Table, name: str) -> None:
    _, model, body = TABLES[table]
    value = VALUES_BY_TYPE.get((model, name), VALUES.get(name))
    assert value is not None
    assert engine_request(model, {**body, name: value}) == engine_request(model, body)
