"""Every official parameter, part, item and event has a row in docs/compatibility.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args, get_type_hints

import pytest
from openai.types.chat import ChatCompletionContentPartParam
from openai.types.chat.chat_completion_assistant_message_param import (
    ContentArrayOfContentPart as AssistantPart,
)
from openai.types.fine_tuning.alpha import grader_run_params
from openai.types.graders import LabelModelGraderParam
from openai.types.responses import ResponseInputItemParam, ResponseStreamEvent
from pydantic import ValidationError

from openedai.api.openai.chat.messages import ChatMessage
from openedai.api.openai.graders.types import GraderValidateRequest
from openedai.api.openai.responses.output.events import Event
from openedai.api.openai.responses.types import ResponseRequest
from openedai.http.validation import as_invalid_request
from tests.docs.apis.compatibility.bodies import RESPONSE, Table
from tests.docs.apis.compatibility.rows import TABLES, documented, rows


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_every_official_parameter_has_one_row(table: Table) -> None:
    names = [row[0].strip("`") for row in rows(table)]
    assert len(names) == len(set(names))
    assert set(names) == TABLES[table][0]
    assert {row[1] for row in rows(table)} <= {"honoured", "no effect", "refused"}


def test_every_part_of_a_message_has_one_row() -> None:
    """Each type, and the other fields of images; refused parts are refused by their type."""
    listed = [row[0].strip("`") for row in rows(("Chat completions", 2))]
    unions = (ChatCompletionContentPartParam, AssistantPart)
    parts = {part for union in unions for part in get_args(union)}
    types = {get_args(get_type_hints(part)["type"])[0] for part in parts}
    assert set(listed) == types | {"image_url.detail", "prompt_cache_breakpoint"}
    for block_type in documented(("Chat completions", 2), "refused"):
        with pytest.raises(ValidationError) as caught:
            ChatMessage.model_validate({"role": "user", "content": [{"type": block_type}]})
        assert as_invalid_request(caught.value.errors()).code == "unsupported_value"


def test_every_type_of_grader_has_one_row() -> None:
    listed = {row[0].strip("`") for row in rows(("Graders", 1))}
    hints = get_type_hints(grader_run_params.GraderRunParams)
    types = (*get_args(hints["grader"]), LabelModelGraderParam)
    assert listed == {get_args(get_type_hints(one)["type"])[0] for one in types}
    (python,) = documented(("Graders", 1), "refused")
    with pytest.raises(ValidationError) as caught:
        GraderValidateRequest.model_validate({"grader": {"type": python}})
    assert as_invalid_request(caught.value.errors()).code == "unsupported_value"


def test_every_item_of_responses_has_one_row() -> None:
    """Each type, of which the refused ones are refused by their name."""
    table = rows(("Responses", 1))
    types = {
        kind
        for item in get_args(ResponseInputItemParam)
        for kind in get_args(get_type_hints(item)["type"])
        if isinstance(kind, str)
    } | {"item_reference"}
    assert {row[0].strip("`") for row in table} == types
    for row in table:
        code = None
        try:
            ResponseRequest.model_validate({**RESPONSE, "input": [{"type": row[0].strip("`")}]})
        except ValidationError as error:
            code = as_invalid_request(error.errors()).code
        assert (code == "unsupported_value") == (row[1] == "refused")


def test_every_event_of_responses_has_one_row() -> None:
    """Those that are sent are those that the code has."""
    table = rows(("Responses", 2))
    union, _ = get_args(ResponseStreamEvent)
    names = {get_args(one.model_fields["type"].annotation)[0] for one in get_args(union)}
    listed = {row[0].strip("`"): row[1] for row in table}
    assert len(listed) == len(table)
    assert set(listed) == names
    sent = {name for name, status in listed.items() if status == "sent"}
    assert sent == {*_tags(Event)}


def _tags(event: type[Event]) -> Iterator[str]:
    """The types of the events that are made of the class."""
    for one in event.__subclasses__():
        tag = one.__struct_config__.tag
        if not one.__subclasses__():
            assert isinstance(tag, str)
            yield tag
        yield from _tags(one)
