"""Assistants, threads and messages: made, changed, listed and deleted, by the official client."""

from __future__ import annotations

from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from tests.api.openai.assistants.made import assistant, texts, thread
from tests.media.images import data_url, picture

# The official client calls all of it deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

FUNCTION: Any = {"type": "function", "function": {"name": "f", "description": "d"}}
FORMAT: Any = {
    "type": "json_schema",
    "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True},
}


def test_assistants(client: OpenAI) -> None:
    store = client.vector_stores.create(name="a").id
    resources: Any = {"file_search": {"vector_store_ids": [store]}}
    made = client.beta.assistants.create(
        model="parrot",
        name="n",
        description="d",
        instructions="i",
        tools=[FUNCTION, {"type": "file_search", "file_search": {"max_num_results": 3}}],
        tool_resources=resources,
        metadata={"a": "b"},
        temperature=0.5,
        top_p=0.25,
        response_format=FORMAT,
    )
    assert made.to_dict()["response_format"] == FORMAT
    assert made.to_dict()["tool_resources"] == resources
    assert made.tools[0].to_dict() == FUNCTION
    assert client.beta.assistants.retrieve(made.id).to_dict() == made.to_dict()
    changed = client.beta.assistants.update(made.id, name="m", metadata={}, tools=[])
    expected = {**made.to_dict(), "name": "m", "metadata": {}, "tools": []}
    assert changed.to_dict() == expected
    cleared = client.beta.assistants.update(made.id, instructions=None, model="echo")
    assert cleared.to_dict() == {**expected, "instructions": None, "model": "echo"}
    assert client.beta.assistants.delete(made.id).deleted
    for use in (client.beta.assistants.retrieve, client.beta.assistants.delete):
        with pytest.raises(NotFoundError, match="No assistant found with id"):
            use(made.id)


def test_pages_of_assistants(client: OpenAI) -> None:
    made = [assistant(client, name=f"page {number}") for number in range(5)]
    listed = client.beta.assistants.list(limit=2)
    assert [one.id for one in listed.data] == made[:-3:-1]
    assert listed.has_next_page()
    ids = [one.id for one in listed]  # all pages
    assert ids[:5] == made[::-1]
    before = client.beta.assistants.list(before=made[1], limit=2)
    assert [one.id for one in before.data] == [made[3], made[2]]
    assert made == [one.id for one in client.beta.assistants.list(order="asc")][-5:]


def test_pages_of_messages(client: OpenAI) -> None:
    id = thread(client, *"abcdefg")
    assert texts(client, id, limit=2) == list("gfedcba")
    assert texts(client, id, order="asc", limit=3) == list("abcdefg")
    messages = client.beta.threads.messages
    listed = [one.id for one in messages.list(id, order="asc")]
    page = messages.list(id, after=listed[2], limit=2, order="asc")
    assert [one.id for one in page.data] == listed[3:5]
    page = messages.list(id, before=listed[2], order="asc")
    assert [one.id for one in page.data] == listed[:2]
    assert messages.list(id, run_id="run_nothing").data == []
    with pytest.raises(BadRequestError) as raised:
        messages.list(id, after="msg_nothing")
    assert raised.value.param == "after"


def test_threads_and_messages(client: OpenAI) -> None:
    made = client.beta.threads.create(metadata={"a": "b"})
    changed = client.beta.threads.update(made.id, metadata={"c": "d"})
    assert client.beta.threads.retrieve(made.id).to_dict() == changed.to_dict()
    assert changed.metadata == {"c": "d"}
    messages = client.beta.threads.messages
    first = messages.create(
        made.id,
        role="user",
        content=[
            {"type": "text", "text": "see"},
            {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}},
        ],
        metadata={"e": "f"},
    )
    assert messages.retrieve(first.id, thread_id=made.id).to_dict() == first.to_dict()
    assert [part.type for part in first.content] == ["text", "image_url"]
    assert messages.update(first.id, thread_id=made.id, metadata={}).metadata == {}
    other = thread(client, "a")
    with pytest.raises(NotFoundError, match="No message found"):
        messages.retrieve(first.id, thread_id=other)
    assert messages.delete(first.id, thread_id=made.id).deleted
    assert messages.list(made.id).data == []
    refused: tuple[dict[str, Any], ...] = (
        {"role": "system", "content": "a"},
        {"role": "user", "content": []},
        {"role": "user", "content": "a", "attachments": [{"file_id": "file-1"}]},
        {"role": "user", "content": "a", "attachments": [attached("code_interpreter")]},
        {"role": "assistant", "content": [{"type": "image_url", "image_url": {"url": "u"}}]},
    )
    for options in refused:
        with pytest.raises(BadRequestError):
            messages.create(made.id, **options)
    with pytest.raises(NotFoundError, match="No such File"):
        messages.create(made.id, role="user", content="a", attachments=[attached("file_search")])
    assert client.beta.threads.delete(made.id).deleted
    for use in (client.beta.threads.retrieve, client.beta.threads.delete, messages.list):
        with pytest.raises(NotFoundError, match="No thread found with id"):
            use(made.id)


def attached(tool: str) -> Any:
    return {"file_id": "file-1", "tools": [{"type": tool}]}


def test_images_are_seen(client: OpenAI) -> None:
    file = client.files.create(file=("a.png", picture(16, 16)), purpose="vision")
    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant(client, model="vision-reveal"),
        thread={
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "what"},
                        {"type": "image_file", "image_file": {"file_id": file.id}},
                        {"type": "image_url", "image_url": {"url": data_url(picture(8, 8))}},
                    ],
                }
            ]
        },
        poll_interval_ms=20,
    )
    assert run.status == "completed", run.last_error
    assert texts(client, run.thread_id)[0].count('"media_type":"image/png"') == 2
    blind = client.beta.threads.runs.create_and_poll(
        thread_id=run.thread_id, assistant_id=assistant(client), poll_interval_ms=20
    )
    assert blind.last_error is not None
    assert (blind.status, blind.last_error.code) == ("failed", "invalid_prompt")
