"""Parameters that other servers, or only this one, have, as docs/compatibility.md has them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import ValidationError

from openedai.api.openai.chat.messages import ChatMessage
from openedai.api.openai.chat.types import ChatCompletionRequest
from openedai.api.openai.completions.types import CompletionRequest
from openedai.http.body import Body
from tests.docs.apis.compatibility.bodies import CHAT, COMPLETION, Table
from tests.docs.apis.compatibility.requests import assert_changes_the_request, engine_request
from tests.docs.apis.compatibility.rows import PAGE, TABLES, documented
from tests.docs.apis.compatibility.text_tables import OTHER_SERVERS
from tests.docs.apis.compatibility.values import REFUSED_VALUES, VALUES
from tests.docs.pages import code_words, section, tables

FORMAT: dict[str, Any] = {"type": "json_schema"}
TEXT = {"type": "text", "text": "hi"}
IMAGE: dict[str, Any] = {
    "type": "image_url",
    "image_url": {"url": "data:image/png;base64,AA=="},
}
TOOL = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize("model", [ChatCompletionRequest, CompletionRequest])
def test_extensions_are_listed_and_reach_the_engine(model: type[Body]) -> None:
    """All fields that the official API does not have, and no others."""
    both, chat = (
        {code.removeprefix("messages[].") for row in table for code in code_words(row[0])}
        for table in tables(section(PAGE, "Extensions"))
    )
    table = "Chat completions" if model is ChatCompletionRequest else "Completions"
    official, _, body = TABLES[table, 0]
    listed = both | (chat if model is ChatCompletionRequest else set())
    tables_of_theirs = [OTHER_SERVERS["Other servers", number] for number in range(3)]
    theirs = set[str]().union(*(names for names, _, _ in tables_of_theirs))
    own = set(model.model_fields) - official - theirs - {"response_format"}
    assert own == listed - {"reasoning_content"}
    for name in own:
        assert_changes_the_request(model, body, name)
    assert_changes_the_request(
        ChatMessage, {"role": "assistant", "content": "hi"}, "reasoning_content"
    )


@pytest.mark.parametrize("status", ["honoured", "no effect", "refused"])
def test_parameters_of_other_servers_are_the_same_in_completions(status: str) -> None:
    for name in documented(("Other servers", 0), status):
        if status == "honoured":
            assert_changes_the_request(CompletionRequest, COMPLETION, name)
        elif status == "no effect":
            body = {**COMPLETION, name: VALUES[name]}
            assert engine_request(CompletionRequest, body) == engine_request(
                CompletionRequest, COMPLETION
            )
        else:
            with pytest.raises(ValidationError):
                CompletionRequest.model_validate({**COMPLETION, name: REFUSED_VALUES[name]})
    assert_changes_the_request(CompletionRequest, COMPLETION, "response_format")


def test_values_of_other_servers() -> None:
    """Those that the page lists below the tables."""
    listed = re.findall(r"^- `([^`]+)`", section(PAGE, "Other servers"), re.MULTILINE)
    schema = {"type": "object"}
    message = {"role": "assistant", "content": "hi"}
    url, cached = IMAGE["image_url"]["url"], {"cache_control": {"type": "ephemeral"}}
    changes: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {
        "max_tokens": [({"max_tokens": -1}, {})],
        "top_k": [({"top_k": -1}, {"top_k": 0})],
        "dry_sequence_breakers": [
            (
                {"dry_sequence_breakers": text},
                {"dry_sequence_breakers": ["\n", ":"]},
            )
            for text in ('"\\n", ":"', '["\\n", ":"]')
        ],
        "response_format": [
            (
                {"response_format": {"type": kind, "schema": schema}},
                {"response_format": FORMAT | {"json_schema": {"name": "n", "schema": schema}}},
            )
            for kind in ("json_object", "json_schema")
        ],
        "stream_options": [
            (
                {"stream": True, "stream_options": {"continuous_usage_stats": False}},
                {"stream": True},
            )
        ],
        "messages[].content[].image_url": [
            (
                {"messages": [{"role": "user", "content": [IMAGE | {"image_url": url}]}]},
                {"messages": [{"role": "user", "content": [IMAGE]}]},
            )
        ],
        "cache_control": [
            (
                {"messages": [{"role": "user", "content": [{**TEXT, **cached}]}]},
                {"messages": [{"role": "user", "content": [TEXT]}]},
            ),
            ({"tools": [{**TOOL, **cached}]}, {"tools": [TOOL]}),
        ],
        "messages[].reasoning": [
            (
                {"messages": [message | {"reasoning": "Hm.", "reasoning_details": [{}]}]},
                {"messages": [message | {"reasoning_content": "Hm."}]},
            )
        ],
    }
    assert set(listed) == set(changes)
    for theirs, ours in (pair for pairs in changes.values() for pair in pairs):
        assert engine_request(ChatCompletionRequest, {**CHAT, **theirs}) == engine_request(
            ChatCompletionRequest, {**CHAT, **ours}
        )
    (unlimited,) = engine_request(CompletionRequest, {**COMPLETION, "max_tokens": -1})
    assert unlimited.max_tokens is None
    options = {"include_usage": True, "continuous_usage_stats": True}
    body = {**CHAT, "stream": True, "stream_options": options}
    (continuous,) = engine_request(ChatCompletionRequest, body)
    assert continuous.reports_start


@pytest.mark.parametrize(
    ("table", "only"),
    [
        (("Image generations", 0), set()),
        (("Image edits", 0), {"strength"}),
        (("Image variations", 0), {"strength"}),
    ],
    ids=str,
)
def test_extensions_for_images_are_listed_and_reach_the_engine(
    table: Table, only: set[str]
) -> None:
    (listed,) = tables(section(PAGE, "Image extensions"))
    names = {code_words(row[0])[0] for row in listed} - {"strength"} | only
    official, model, body = TABLES[table]
    assert set(model.model_fields) - official - {"images"} == names
    for name in names:
        assert_changes_the_request(model, body, name)
