"""Stored chat completions, by the official client and against its types."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import APIError, BadRequestError, NotFoundError, OpenAI
from openai.types.chat import ChatCompletion

from tests.support import Running, ServerThread, echo_settings, fetch


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with ServerThread(echo_settings(data=tmp_path_factory.mktemp("data"))) as running:
        yield running


@pytest.fixture
def chats(server: Running) -> Iterator[OpenAI]:
    with server.client() as client:
        yield client
        for chat in client.chat.completions.list(limit=100):
            client.chat.completions.delete(chat.id)


def say(client: OpenAI, text: str = "hi", **options: Any) -> ChatCompletion:
    messages: Any = [{"role": "user", "content": text}]
    given: dict[str, Any] = {"model": "echo", "messages": messages, "store": True, **options}
    answer: ChatCompletion = client.chat.completions.create(**given)
    return answer


def streamed(client: OpenAI, text: str = "hi", **options: Any) -> str:
    """The id of a streamed chat."""
    messages: Any = [{"role": "user", "content": text}]
    stream = client.chat.completions.create(
        **{"model": "echo", "messages": messages, "store": True, "stream": True, **options}
    )
    ids = {chunk.id for chunk in stream}
    (id,) = ids
    return str(id)


def test_an_answer_is_kept_as_it_was_given(chats: OpenAI) -> None:
    given = say(chats, n=2, logprobs=True, metadata={"a": "1", "ü\n": "\0"})
    kept = chats.chat.completions.retrieve(given.id)
    assert kept.to_dict() == {**given.to_dict(), "metadata": {"a": "1", "ü\n": "\0"}}
    assert say(chats).metadata is None
    assert next(iter(chats.chat.completions.list())).id == given.id


@pytest.mark.parametrize(
    "options",
    [{}, {"n": 2}, {"stream_options": {"include_usage": True}}, {"model": "calls"}],
    ids=["plain", "two choices", "with usage", "tools"],
)
def test_a_streamed_answer_is_kept_as_the_whole_one(chats: OpenAI, options: dict[str, Any]) -> None:
    if options.get("model") == "calls":
        function = {"name": "get_weather", "parameters": {"type": "object"}}
        options = {**options, "tools": [{"type": "function", "function": function}]}
    whole_options = {name: value for name, value in options.items() if name != "stream_options"}
    whole = say(chats, "tell me", **whole_options)
    kept = chats.chat.completions.retrieve(streamed(chats, "tell me", **options))
    assert [_without_ids(choice) for choice in kept.choices] == [
        _without_ids(choice) for choice in whole.choices
    ]
    assert kept.usage == whole.usage
    assert kept.metadata == {}


def _without_ids(choice: Any) -> Any:
    found = choice.to_dict()
    for call in found["message"].get("tool_calls") or ():
        call.pop("id")
    return found


def test_a_stored_stream_can_be_retrieved_before_its_end(server: Running, chats: OpenAI) -> None:
    """The end mark of the stream comes after the storing."""
    body = {"model": "echo", "messages": [{"role": "user", "content": "a"}], "store": True}
    raw = fetch(f"{server.url}/v1/chat/completions", "POST", json={**body, "stream": True}).body
    frames = [frame for frame in raw.decode().split("\n\n") if frame]
    assert frames[-1] == "data: [DONE]"
    id = json.loads(frames[0].removeprefix("data: "))["id"]
    assert chats.chat.completions.retrieve(id).choices[0].message.content == "a"


def test_lists(chats: OpenAI) -> None:
    made = [say(chats, str(n), metadata={"n": str(n % 2), "all": "x"}).id for n in range(5)]
    other = say(chats, model="reveal", metadata={"n": "1"}).id
    listed = chats.chat.completions.list
    assert [one.id for one in listed()] == [*made, other]
    assert [one.id for one in listed(order="desc")] == [other, *reversed(made)]
    assert [one.id for one in listed(model="echo", limit=2)] == made  # in three pages
    assert [one.id for one in listed(metadata={"n": "1"})] == [made[1], made[3], other]
    assert [one.id for one in listed(metadata={"n": "1", "all": "x"})] == [made[1], made[3]]
    assert not [*listed(metadata={"n": "2"})]
    page = listed(limit=2, after=made[1])
    assert [one.id for one in page.data] == made[2:4]
    assert page.has_more


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("order=up", "order"),
        ("colour=red", "colour"),
        ("metadata=x", "metadata"),
        ("model=%00", "model"),
        ("model=a&model[b]=c", "model[b]"),
    ],
)
def test_bad_queries(server: Running, query: str, param: str) -> None:
    answer = fetch(f"{server.url}/v1/chat/completions?{query}")
    assert (answer.status, json.loads(answer.body)["error"]["param"]) == (400, param)


def test_messages(chats: OpenAI) -> None:
    parts: Any = [{"type": "text", "text": "two "}, {"type": "text", "text": "parts"}]
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages: Any = [
        {"role": "developer", "content": "be kind"},
        {"role": "user", "content": parts, "name": "Ann"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "4", "tool_call_id": "c1"},
    ]
    id = say(chats, messages=messages).id
    listed = chats.chat.completions.messages.list
    found = [one.to_dict() for one in listed(id, limit=3)]
    assert [one["id"] for one in found] == [f"{id}-{n}" for n in range(4)]
    assert found[0]["content"] == "be kind"
    assert (found[1]["content"], found[1]["content_parts"]) == (None, parts)
    assert (found[1]["name"], found[0]["name"], found[0]["content_parts"]) == ("Ann", None, None)
    assert found[2]["tool_calls"] == [call]
    assert found[3]["tool_call_id"] == "c1"
    assert [one.id for one in listed(id, order="desc")] == [f"{id}-{n}" for n in (3, 2, 1, 0)]
    assert [one.id for one in listed(id, after=f"{id}-2")] == [f"{id}-3"]
    with pytest.raises(BadRequestError):
        listed(id, after="nothing")


def test_metadata_is_changed(chats: OpenAI) -> None:
    id = say(chats, metadata={"a": "1", "b": "2"}).id
    update = chats.chat.completions.update
    assert update(id, metadata={"a": "3"}).metadata == {"a": "3"}
    assert chats.chat.completions.retrieve(id).metadata == {"a": "3"}
    assert [one.id for one in chats.chat.completions.list(metadata={"a": "3"})] == [id]
    assert not [*chats.chat.completions.list(metadata={"b": "2"})]
    assert update(id, metadata=None).metadata == {}
    for wrong in ({"a": "x" * 513}, {"x" * 65: "a"}, {str(n): "" for n in range(17)}, {"a": 1}):
        with pytest.raises(BadRequestError) as raised:
            update(id, metadata=wrong)  # type: ignore[arg-type]
        assert str(raised.value.param).startswith("metadata")
    with pytest.raises(BadRequestError, match="metadata"):
        chats.post(f"/chat/completions/{id}", body={}, cast_to=object)


def test_deleting(chats: OpenAI) -> None:
    id = say(chats, metadata={"a": "1"}).id
    deleted = chats.chat.completions.delete(id)
    assert (deleted.id, deleted.object, deleted.deleted) == (id, "chat.completion.deleted", True)
    for act in (
        chats.chat.completions.retrieve,
        chats.chat.completions.delete,
        lambda id: chats.chat.completions.messages.list(id),
        lambda id: chats.chat.completions.update(id, metadata={}),
    ):
        with pytest.raises(NotFoundError):
            act(id)
    assert not [*chats.chat.completions.list(metadata={"a": "1"})]


@pytest.mark.parametrize("stream", [False, True])
def test_nothing_is_stored_unasked(tmp_path: Path, stream: bool) -> None:
    with ServerThread(echo_settings(data=tmp_path)) as server, server.client() as client:
        messages: Any = [{"role": "user", "content": "hi"}]
        options: Any = {"stream": True} if stream else {"store": False}
        answer = client.chat.completions.create(
            model="echo", messages=messages, metadata={"a": "b"}, **options
        )
        assert not stream or [*answer]
        assert not server.app.state.services.store.opened.is_set()
        assert [*tmp_path.iterdir()] == []


def test_an_answer_that_fails_is_not_stored(chats: OpenAI) -> None:
    for model in ("fails-first", "fails-later", "crashes"):
        for ask in (say, streamed):
            with pytest.raises(APIError):
                ask(chats, "one two three four", model=model)
    assert not [*chats.chat.completions.list()]


def test_an_answer_that_cannot_be_stored_is_given(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With a warning, if it is whole, and a line in the log."""
    (tmp_path / "data").write_text("a file, where the database's folder would be")
    with ServerThread(echo_settings(data=tmp_path / "data")) as server, server.client() as client:
        raw = client.chat.completions.with_raw_response.create(
            model="echo", messages=[{"role": "user", "content": "hi"}], store=True
        )
        assert raw.parse().choices[0].message.content == "hi"
        assert "not stored" in raw.headers["x-openedai-warning"]
        with caplog.at_level(logging.ERROR, "openedai.api"):
            streamed(client)
        assert [record for record in caplog.records if "could not be stored" in record.message]
