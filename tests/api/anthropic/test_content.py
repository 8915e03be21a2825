"""The blocks of Anthropic's messages, and what they come to for the engine."""

from __future__ import annotations

import base64
import json
from typing import Any, get_args, get_type_hints

import pytest
from anthropic import Anthropic
from anthropic.types import ContentBlockParam
from anthropic.types.tool_result_block_param import Content as ResultBlockParam
from pydantic import TypeAdapter

from openedai.api.anthropic.blocks import OtherBlock, OtherResult
from openedai.api.anthropic.conversation import MessageParam, conversation, image_refs
from openedai.media.images import LoadedImage
from tests.api.anthropic.messages import block_contents, create_message, refusal
from tests.media.images import picture

USE = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": [1, None]}}
RESULT: dict[str, Any] = {"type": "tool_result", "tool_use_id": "toolu_1"}
PNG = {"type": "base64", "media_type": "image/png", "data": "aGk="}
IMAGE = {"type": "image", "source": PNG}


def text(output: str, **fields: Any) -> dict[str, Any]:
    return {"type": "text", "text": output, **fields}


def user(*blocks: object) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: object) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def engine_messages(client: Anthropic, *messages: object, **fields: Any) -> list[dict[str, Any]]:
    """The messages as the engine sees them."""
    body = {"model": "reveal", "max_tokens": 4000, "messages": messages, **fields}
    received: list[dict[str, Any]] = json.loads(
        block_contents(create_message(client, False, **body))[0][1]
    )["prompt"]["messages"]
    return received


def test_texts_are_joined_by_line_breaks(anthropic_client: Anthropic) -> None:
    cached = {"type": "ephemeral"}
    system = [text("A", cache_control=cached), text("B")]
    assert engine_messages(
        anthropic_client, user(text("C"), text("D", citations=None)), system=system
    ) == [
        {"role": "system", "content": "A\nB"},
        {"role": "user", "content": "C\nD"},
    ]


def test_turns_of_one_role_are_one_turn(anthropic_client: Anthropic) -> None:
    messages = [
        {"role": "system", "content": "B"},
        {"role": "user", "content": "C"},
        user(text("D")),
        {"role": "assistant", "content": "E"},
        assistant(text("F")),
        assistant(),
        user(),
        {"role": "user", "content": ""},
    ]
    assert engine_messages(anthropic_client, *messages, system="A") == [
        {"role": "system", "content": "A\nB"},
        {"role": "user", "content": "C\nD"},
        {"role": "assistant", "content": "E\nF"},
        {"role": "user"},
    ]


def test_thinking_goes_back_to_the_model(anthropic_client: Anthropic) -> None:
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": "sig_x"}
    hidden = {"type": "redacted_thinking", "data": "x"}
    answer = assistant(thinking, hidden, text("Yes."))
    assert engine_messages(anthropic_client, user(text("?")), answer, user(text("!")))[1] == {
        "role": "assistant",
        "content": "Yes.",
        "reasoning": "Hm.",
    }


DOCUMENT = {
    "type": "document",
    "title": "T",
    "context": "C",
    "source": {"type": "text", "media_type": "text/plain", "data": "D"},
    "citations": {"enabled": False},
}
FOUND = {"type": "search_result", "source": "S", "title": "T", "content": [text("A"), text("B")]}


@pytest.mark.parametrize(
    ("block", "output"),
    [
        (DOCUMENT, "T\nC\nD"),
        ({"type": "document", "source": {"type": "content", "content": "D"}}, "D"),
        ({"type": "document", "source": {"type": "content", "content": [text("D")]}}, "D"),
        (FOUND, "T\nS\nA\nB"),
    ],
)
def test_documents_are_read_as_texts(
    anthropic_client: Anthropic, block: dict[str, Any], output: str
) -> None:
    assert (
        engine_messages(anthropic_client, user(block, text("So?")))[0]["content"]
        == f"{output}\nSo?"
    )
    result = {**RESULT, "content": [block]}
    assert engine_messages(anthropic_client, assistant(USE), user(result))[1]["content"] == output


@pytest.mark.parametrize(
    ("result", "output"),
    [
        ({}, ""),
        ({"content": None}, ""),
        ({"content": []}, ""),
        ({"content": "one"}, "one"),
        ({"content": [text("one"), text("two")], "is_error": False}, "one\ntwo"),
        ({"content": "not found", "is_error": True}, "Error:\nnot found"),
    ],
)
def test_tool_results(anthropic_client: Anthropic, result: dict[str, Any], output: str) -> None:
    last = engine_messages(
        anthropic_client, user(text("?")), assistant(USE), user({**RESULT, **result})
    )[-1]
    assert last.pop("content", "") == output
    assert last == {"role": "tool", "tool_call_id": "toolu_1"}


def test_the_order_of_texts_and_results_is_kept(anthropic_client: Anthropic) -> None:
    uses = assistant(USE, {**USE, "id": "toolu_2"}, text("So."))
    turn = user(text("A"), RESULT, text("B"), text("C"), {**RESULT, "tool_use_id": "toolu_2"})
    roles = engine_messages(anthropic_client, uses, turn, user(text("D")))
    assert [(one["role"], one.get("content", "")) for one in roles] == [
        ("assistant", "So."),
        ("user", "A"),
        ("tool", ""),
        ("user", "B\nC"),
        ("tool", ""),
        ("user", "D"),
    ]


def test_the_positions_of_images() -> None:
    body = [
        user(text("one"), IMAGE, text("two"), IMAGE),
        assistant(USE),
        user({**RESULT, "content": [IMAGE, text("three")]}),
    ]
    messages = TypeAdapter(list[MessageParam]).validate_python(body)
    refs = image_refs(messages)
    params = [ref.param for ref in refs]
    assert params == [
        "messages[0].content[1].source.data",
        "messages[0].content[3].source.data",
        "messages[2].content[0].content[0].source.data",
    ]
    assert refs[2].type_param == "messages[2].content[0].content[0].type"
    loaded = {param: LoadedImage(param.encode(), "image/png") for param in params}
    turns = conversation(None, messages, loaded)
    assert [(image.raw.decode(), image.at) for image in turns[0].images] == [
        (params[0], len("one")),
        (params[1], len("one\ntwo")),
    ]
    assert [(image.raw.decode(), image.at) for image in turns[2].images] == [(params[2], 0)]


def test_a_model_that_takes_images_gets_them(anthropic_client: Anthropic) -> None:
    file = picture()
    source = {**PNG, "data": base64.b64encode(file).decode()}
    block = {"type": "image", "source": source}
    result = {**RESULT, "content": [block]}
    messages = [user(text("one"), block), assistant(USE), user(result)]
    expected = engine_messages(anthropic_client, *messages, model="vision-reveal")
    (first,) = expected[0]["images"]
    assert base64.b64decode(first["raw"]) == file
    assert (first["at"], first["media_type"]) == (3, "image/png")
    assert len(expected[-1]["images"]) == 1


@pytest.mark.parametrize(
    ("source", "place"),
    [
        (PNG, "messages[0].content[0].source.data"),
        ({"type": "url", "url": "file:///etc/passwd"}, "messages[0].content[0].source.url"),
    ],
)
def test_images_that_cannot_be_loaded(
    anthropic_client: Anthropic, source: dict[str, str], place: str
) -> None:
    block = {"type": "image", "source": source}
    assert place in refusal(anthropic_client, model="vision", messages=[user(block)])


BAD_BLOCKS: list[tuple[object, str]] = [
    (5, "messages[0].content[0]"),
    ({}, "messages[0].content[0].type"),
    ({"type": "poem"}, "messages[0].content[0].type"),
    ({"type": "text"}, "messages[0].content[0].text"),
    (text("hi", mood="good"), "messages[0].content[0].mood"),
    (text("hi", cache_control={"type": "x"}), "messages[0].content[0].cache_control.type"),
    (IMAGE, "messages[0].content[0].type"),
    ({"type": "image", "source": {"type": "file", "file_id": "f"}}, "content[0].source.type"),
    ({"type": "image", "source": {"type": "disk"}}, "messages[0].content[0].source.type"),
    ({"type": "image", "source": {**PNG, "media_type": "image/tiff"}}, "source.media_type"),
    ({"type": "image", "source": {"type": "url"}}, "messages[0].content[0].source.url"),
    ({"type": "document", "source": {"type": "url", "url": "x"}}, "content[0].source.type"),
    ({**DOCUMENT, "citations": {"enabled": True}}, "messages[0].content[0].citations.enabled"),
    (
        {"type": "document", "source": {"type": "content", "content": [IMAGE]}},
        "content[0].source.content[0].type",
    ),
    (USE, "messages[0].content[0].type"),
    ({"type": "thinking", "thinking": "x"}, "messages[0].content[0].type"),
    ({"type": "container_upload", "file_id": "f"}, "messages[0].content[0].type"),
    (RESULT, "messages[0].content[0].tool_use_id"),
    ({"type": "tool_result"}, "messages[0].content[0].tool_use_id"),
    (
        {**RESULT, "content": [{"type": "tool_reference", "tool_name": "f"}]},
        "messages[0].content[0].content[0].type",
    ),
]


@pytest.mark.parametrize(("block", "words"), BAD_BLOCKS)
def test_bad_blocks(anthropic_client: Anthropic, block: object, words: str) -> None:
    assert words in refusal(anthropic_client, messages=[user(block)])


BAD_MESSAGES: list[tuple[list[object], str]] = [
    ([{"role": "user"}], "messages[0].content"),
    ([{"role": "user", "content": None}], "messages[0].content"),
    ([{"role": "robot", "content": "hi"}], "messages[0].role"),
    ([{"role": "user", "content": "hi", "name": "ann"}], "messages[0].name"),
    ([{"role": "system", "content": [IMAGE]}], "messages[0].content[0].type"),
    ([user(text("?")), assistant(text("The answer is ("))], "prefill"),
    ([user(text("?")), assistant(RESULT), user()], "messages[1].content[0].type"),
    ([assistant(USE), user(RESULT, RESULT)], "messages[1].content[1].tool_use_id"),
    (
        [assistant(USE), user(text("No.")), assistant(text("So.")), user(RESULT)],
        "messages[3].content[0].tool_use_id",
    ),
    ([assistant({**USE, "input": "{}"}), user()], "messages[0].content[0].input"),
    (
        [assistant({**USE, "caller": {"type": "code_execution_20250825"}}), user()],
        "messages[0].content[0].caller.type",
    ),
]


@pytest.mark.parametrize(("messages", "words"), BAD_MESSAGES)
def test_bad_messages(anthropic_client: Anthropic, messages: list[object], words: str) -> None:
    assert words in refusal(anthropic_client, messages=messages)


def kinds(union: object) -> set[str]:
    """The `type` of each block of a union of the client's types."""
    return {get_args(get_type_hints(one)["type"])[0] for one in get_args(union)}


def literals(model: type[OtherBlock | OtherResult]) -> set[str]:
    return set(get_args(model.model_fields["type"].annotation))


def test_every_block_of_the_official_client_is_known() -> None:
    assert literals(OtherBlock) == kinds(ContentBlockParam)
    assert literals(OtherResult) == kinds(ResultBlockParam)
