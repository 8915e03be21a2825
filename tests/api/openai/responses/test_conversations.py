"""`/v1/conversations` by the official client and against its types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from openai.types.conversations.conversation_item import ConversationItem
from pydantic import TypeAdapter

from tests.support import Running, ServerThread, echo_settings

OFFICIAL: TypeAdapter[Any] = TypeAdapter(ConversationItem)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with ServerThread(echo_settings(data=tmp_path_factory.mktemp("data"))) as running:
        yield running


@pytest.fixture
def client(server: Running) -> Iterator[OpenAI]:
    with server.client() as client:
        yield client


def user(text: str, **fields: Any) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": text, **fields}


def texts(items: Any) -> list[str]:
    return [item.content[0].text for item in items]


def test_a_conversation_from_its_making_to_its_end(client: OpenAI) -> None:
    made = client.conversations.create(metadata={"a": "1"}, items=[user("hi")])  # type: ignore[list-item]
    assert made.id.startswith("conv_")
    assert (made.object, made.metadata) == ("conversation", {"a": "1"})
    assert client.conversations.retrieve(made.id) == made
    changed = client.conversations.update(made.id, metadata={"b": "2"})
    assert changed.metadata == {"b": "2"}
    assert client.conversations.retrieve(made.id) == changed
    deleted = client.conversations.delete(made.id)
    assert (deleted.id, deleted.object, deleted.deleted) == (made.id, "conversation.deleted", True)
    for act in (
        client.conversations.retrieve,
        client.conversations.delete,
        client.conversations.items.list,
    ):
        with pytest.raises(NotFoundError):
            act(made.id)


def test_items(client: OpenAI) -> None:
    id = client.conversations.create().id
    items = client.conversations.items
    added = items.create(id, items=[user(str(number)) for number in range(20)])  # type: ignore[misc]
    assert (added.object, len(added.data), added.has_more) == ("list", 20, False)
    items.create(id, items=[user("20")])  # type: ignore[list-item]
    assert texts(items.list(id, limit=8)) == [str(n) for n in range(20, -1, -1)]
    ascending: list[Any] = list(items.list(id, limit=8, order="asc"))
    assert texts(ascending) == [str(n) for n in range(21)]
    assert texts(items.list(id, order="asc", after=ascending[18].id)) == ["19", "20"]
    one: Any = items.retrieve(ascending[3].id, conversation_id=id)
    assert one == ascending[3]
    assert items.delete(one.id, conversation_id=id).id == id
    with pytest.raises(NotFoundError):
        items.retrieve(one.id, conversation_id=id)
    assert "3" not in texts(items.list(id, limit=100))
    with pytest.raises(BadRequestError):
        items.list(id, after="nothing")


CALL = {"call_id": "call_1", "status": "completed"}
ITEMS: list[dict[str, Any]] = [
    {"role": "user", "content": "text"},
    {"role": "system", "content": [{"type": "input_text", "text": "parts"}]},
    {"role": "user", "content": [{"type": "input_image", "image_url": "data:,"}]},
    {"role": "assistant", "content": "said"},
    {
        "type": "message",
        "id": "msg_mine",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "said", "annotations": []}],
    },
    {"type": "reasoning", "summary": [], "encrypted_content": "x"},
    {"type": "function_call", "name": "f", "arguments": "{}", **CALL},
    {"type": "function_call_output", "call_id": "call_1", "output": "4"},
    {"type": "custom_tool_call", "name": "f", "input": "a", "call_id": "call_2"},
    {"type": "custom_tool_call_output", "call_id": "call_2", "output": "b"},
    {"type": "local_shell_call", "action": {"type": "exec", "command": ["ls"], "env": {}}, **CALL},
    {"type": "local_shell_call_output", "id": "call_7", "output": "{}"},
    {"type": "shell_call", "action": {"commands": ["ls"]}, "call_id": "call_3"},
    {
        "type": "shell_call_output",
        "call_id": "call_3",
        "output": [
            {"stdout": "a", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}},
        ],
    },
    {
        "type": "apply_patch_call",
        "operation": {"type": "delete_file", "path": "a"},
        **CALL,
    },
    {"type": "apply_patch_call_output", **CALL},
    {"type": "computer_call", "actions": [], "pending_safety_checks": [], **CALL},
    {
        "type": "computer_call_output",
        "call_id": "call_1",
        "output": {"type": "computer_screenshot", "image_url": "data:,"},
    },
    {"type": "tool_search_call", "arguments": {}, "call_id": "call_4"},
    {"type": "tool_search_output", "tools": [], "call_id": "call_4"},
]


@pytest.mark.parametrize("item", ITEMS, ids=[str(item.get("type", "message")) for item in ITEMS])
def test_items_of_each_type(client: OpenAI, item: dict[str, Any]) -> None:
    """They are kept in the official shape, with what was sent, and can be sent back."""
    made: Any = client.conversations.create(items=[item]).id  # type: ignore[list-item]
    every: Any = [
        "reasoning.encrypted_content",
        "message.input_image.image_url",
        "computer_call_output.output.image_url",
    ]
    (kept,) = client.conversations.items.list(made, include=every)
    shown = kept.to_dict()
    OFFICIAL.validate_python(shown)
    sent = {name: value for name, value in item.items() if name != "content"}
    assert sent.items() <= shown.items()
    again = client.conversations.create(items=[shown]).id  # type: ignore[list-item]
    (same,) = client.conversations.items.list(again, include=every)
    assert same.to_dict() == shown


def test_include(client: OpenAI) -> None:
    """What is not included is left out, and kept all the same."""
    image = {"type": "input_image", "image_url": "data:,", "detail": "low"}
    sealed = {"type": "reasoning", "summary": [], "encrypted_content": "x"}
    items: Any = [{"role": "user", "content": [image]}, sealed]
    id = client.conversations.create(items=items).id
    listed = client.conversations.items.list
    message, reasoning = (item.to_dict() for item in listed(id, order="asc"))
    assert message["content"][0]["image_url"] is None  # type: ignore[index]
    assert reasoning["encrypted_content"] is None
    (whole,) = listed(id, order="asc", limit=1, include=["message.input_image.image_url"]).data
    assert whole.to_dict()["content"][0]["image_url"] == "data:,"  # type: ignore[index]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"items": [user("a")] * 21}, "items"),
        ({"items": [{"type": "nonsense"}]}, "items[0]"),
        ({"items": [{"type": "item_reference", "id": "msg_1"}]}, "items[0].type"),
        ({"items": [user("a", id="msg_1"), user("b", id="msg_1")]}, "items"),
        ({"metadata": {"a": "x" * 513}}, "metadata.a"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_bad_bodies(client: OpenAI, body: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequestError) as raised:
        client.post("/conversations", body=body, cast_to=object)
    assert raised.value.param is not None
    assert raised.value.param.startswith(param)


def test_an_id_is_in_a_conversation_once(client: OpenAI) -> None:
    item: Any = user("a", id="msg_once")
    id = client.conversations.create(items=[item]).id
    with pytest.raises(BadRequestError) as raised:
        client.conversations.items.create(id, items=[user("new"), item])  # type: ignore[list-item]
    assert raised.value.param == "items[1].id"
    assert texts(client.conversations.items.list(id)) == ["a"]
