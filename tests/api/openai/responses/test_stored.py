"""Responses that are kept: shown, gone on from, deleted; by the official client."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import APIError, BadRequestError, NotFoundError, OpenAI
from openai.types.responses import Response

from openedai.store.conversations.responses import Responses
from openedai.store.store import Store
from tests.support import Running, ServerThread, echo_settings


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with ServerThread(echo_settings(data=tmp_path_factory.mktemp("data"))) as running:
        yield running


@pytest.fixture
def client(server: Running) -> Iterator[OpenAI]:
    with server.client() as client:
        yield client


def ask(client: OpenAI, text: Any = "hi", **options: Any) -> Response:
    answer: Response = client.responses.create(**{"model": "echo", "input": text, **options})
    return answer


def streamed(client: OpenAI, text: Any = "hi", **options: Any) -> Response:
    """The response of the last event."""
    events = list(client.responses.create(model="echo", input=text, stream=True, **options))
    found: Response = events[-1].response
    return found


def prompt_of(response: Response) -> list[tuple[str, str]]:
    """The conversation that the model `reveal` was given."""
    request = json.loads(response.output_text)
    return [(one["role"], one.get("content", "")) for one in request["prompt"]["messages"]]


@pytest.mark.parametrize("create", [ask, streamed])
def test_a_response_from_its_making_to_its_end(client: OpenAI, create: Any) -> None:
    made = create(client, metadata={"a": "b"}, instructions='say "output":[], please')
    kept = client.responses.retrieve(made.id)
    assert kept.to_dict() == made.to_dict()
    assert kept.output_text == "hi"
    item: Any = next(iter(client.responses.input_items.list(made.id)))
    assert item.content[0].text == "hi"
    client.responses.delete(made.id)
    for act in (
        client.responses.retrieve,
        client.responses.delete,
        client.responses.input_items.list,
        client.responses.cancel,
    ):
        with pytest.raises(NotFoundError):
            act(made.id)


@pytest.mark.parametrize("create", [ask, streamed])
def test_one_that_is_not_to_be_kept(client: OpenAI, create: Any) -> None:
    made = create(client, store=False)
    with pytest.raises(NotFoundError):
        client.responses.retrieve(made.id)


def test_nothing_is_opened_without_store(tmp_path: Path) -> None:
    with ServerThread(echo_settings(data=tmp_path)) as server, server.client() as client:
        ask(client, store=False)
        assert not server.app.state.services.store.opened.is_set()
        assert [*tmp_path.iterdir()] == []


def test_a_chain(client: OpenAI) -> None:
    first = ask(client, "one", instructions="first")
    second = ask(client, "two", previous_response_id=first.id)
    other = ask(client, "other", previous_response_id=first.id)
    third = ask(client, "three", model="reveal", previous_response_id=second.id, instructions="x")
    said = [("user", "one"), ("assistant", "one"), ("user", "two"), ("assistant", "two")]
    assert prompt_of(third) == [("system", "x"), *said, ("user", "three")]
    assert third.previous_response_id == second.id
    assert len(list(client.responses.input_items.list(third.id))) == 1
    client.responses.delete(other.id)
    ask(client, previous_response_id=third.id)
    client.responses.delete(first.id)
    with pytest.raises(NotFoundError) as raised:
        ask(client, previous_response_id=third.id)
    assert raised.value.code == "previous_response_not_found"
    assert first.id in raised.value.message


def test_a_long_chain(client: OpenAI) -> None:
    id = None
    for number in range(30):
        id = ask(client, f"turn {number}", previous_response_id=id).id
    revealed = ask(client, "now", model="reveal", previous_response_id=id)
    roles = [("user", f"turn {n}") for n in range(30)]
    assert prompt_of(revealed)[:-1:2] == roles


def test_calls_are_gone_on_from(client: OpenAI) -> None:
    tools: Any = [
        {"type": "function", "name": name, "parameters": {"type": "object"}}
        for name in ("get_weather", "get_time")
    ]
    first = ask(client, model="calls", tools=tools)
    outputs = [
        {"type": "function_call_output", "call_id": call.call_id, "output": "4"}
        for call in first.output
        if call.type == "function_call"
    ]
    assert len(outputs) == 2
    second = ask(client, outputs, model="reveal", previous_response_id=first.id)
    assert [role for role, _ in prompt_of(second)] == ["user", "assistant", "tool", "tool"]
    items = list(client.responses.input_items.list(second.id, order="asc"))
    assert [item.type for item in items] == ["function_call_output"] * 2


def test_conversations(client: OpenAI) -> None:
    begun: Any = [{"role": "developer", "content": "be kind"}]
    id = client.conversations.create(items=begun).id
    ask(client, "one", conversation=id)
    streamed(client, "two", conversation={"id": id})
    revealed = ask(client, "three", model="reveal", conversation=id)
    said = [("user", "one"), ("assistant", "one"), ("user", "two"), ("assistant", "two")]
    assert prompt_of(revealed) == [("system", "be kind"), *said, ("user", "three")]
    assert revealed.conversation is not None
    assert revealed.conversation.id == id
    items = list(client.conversations.items.list(id, order="asc", limit=100))
    assert len(items) == 7
    with pytest.raises(NotFoundError) as raised:
        ask(client, conversation="conv_nothing")
    assert raised.value.param == "conversation"


def test_references(client: OpenAI) -> None:
    first = ask(client, "one")
    (input,) = client.responses.input_items.list(first.id)
    conversation = client.conversations.create(items=[{"role": "user", "content": "kept"}])
    (kept,) = client.conversations.items.list(conversation.id)
    references: Any = [
        {"type": "item_reference", "id": id} for id in (input.id, first.output[0].id, kept.id)
    ]
    second = ask(client, [*references, {"role": "user", "content": "two"}], model="reveal")
    said = [("user", "one"), ("assistant", "one"), ("user", "kept"), ("user", "two")]
    assert prompt_of(second) == said
    items = list(client.responses.input_items.list(second.id, order="asc"))
    assert [item.id for item in items][:3] == [one["id"] for one in references]
    with pytest.raises(NotFoundError, match="msg_nothing"):
        ask(client, [{"type": "item_reference", "id": "msg_nothing"}])


def test_pages_of_input(client: OpenAI) -> None:
    input: Any = [{"role": "user", "content": str(number)} for number in range(5)]
    id = ask(client, input).id
    listed = client.responses.input_items.list
    ids = [item.id for item in listed(id, order="asc", limit=2)]
    assert len(set(ids)) == 5
    assert [item.id for item in listed(id, limit=2)] == ids[::-1]
    assert [item.id for item in listed(id, order="asc", after=ids[2])] == ids[3:]
    with pytest.raises(BadRequestError):
        listed(id, after="nothing")


def test_items_with_the_same_id(client: OpenAI) -> None:
    """Only the first keeps it: pages go on after one item."""
    input: Any = [{"id": "msg_same", "role": "user", "content": text} for text in "abc"]
    conversation = client.conversations.create().id
    id = ask(client, input, conversation=conversation).id
    items: Any = list(client.responses.input_items.list(id, order="asc", limit=1))
    assert [item.content[0].text for item in items] == ["a", "b", "c"]
    assert items[0].id == "msg_same"
    assert len({item.id for item in items}) == 3
    assert len(list(client.conversations.items.list(conversation))) == 4


def test_nothing_to_answer(client: OpenAI) -> None:
    with pytest.raises(BadRequestError) as raised:
        client.responses.create(model="echo", conversation=client.conversations.create().id)
    assert raised.value.param == "input"


def test_a_stream_that_fails_is_kept_as_failed(client: OpenAI) -> None:
    events: Any = client.responses.create(model="fails-later", input="a b c d", stream=True)
    failed = list(events)[-1].response
    kept = client.responses.retrieve(failed.id)
    assert kept.to_dict() == failed.to_dict()
    assert kept.status == "failed"
    assert ask(client, previous_response_id=failed.id).status == "completed"


def test_one_that_fails_at_once_is_not_kept(client: OpenAI, server: Running) -> None:
    async def count() -> int:
        database = await Store(server.app.state.services.settings.data).database()
        ((number,),) = await database.read("select count(*) from responses")
        await database.close()
        return int(number)

    before = asyncio.run(count())
    with pytest.raises(APIError):
        ask(client, model="fails-first")
    assert asyncio.run(count()) == before


@pytest.mark.parametrize(
    ("query", "param"),
    [("starting_after=1", "starting_after"), ("stream=true", "stream"), ("colour=1", "colour")],
)
def test_bad_queries(client: OpenAI, query: str, param: str) -> None:
    id = ask(client).id
    with pytest.raises(BadRequestError) as raised:
        client.get(f"/responses/{id}?{query}", cast_to=object)
    assert raised.value.param == param


def test_one_in_the_foreground_cannot_be_cancelled(client: OpenAI) -> None:
    with pytest.raises(BadRequestError, match="background"):
        client.responses.cancel(ask(client).id)


def test_expiry(tmp_path: Path) -> None:
    """Those that others go on from are kept as long as these."""
    settings = echo_settings(data=tmp_path, response_lifetime=3600)
    with ServerThread(settings) as server, server.client() as client:
        first = ask(client, "one")
        second = ask(client, "two", previous_response_id=first.id)

        async def expire(id: str) -> list[str]:
            store = Store(tmp_path)
            async with (await store.database()).write() as query:
                await query("update responses set expires_at=1 where id=$1", id)
            await Responses(store).sweep()
            rows = await (await store.database()).read("select id from responses")
            await store.close()
            return [id for (id,) in rows]

        assert sorted(asyncio.run(expire(first.id))) == sorted([first.id, second.id])
        with pytest.raises(NotFoundError):
            client.responses.retrieve(first.id)
        third = ask(client, model="reveal", previous_response_id=second.id)
        assert prompt_of(third)[0] == ("user", "one")
        asyncio.run(expire(third.id))
        assert asyncio.run(expire(second.id)) == []


def test_a_response_that_cannot_be_stored_is_given(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "data").write_text("a file, where the database's folder would be")
    with ServerThread(echo_settings(data=tmp_path / "data")) as server, server.client() as client:
        raw = client.responses.with_raw_response.create(model="echo", input="hi")
        assert raw.parse().output_text == "hi"
        assert "not stored" in raw.headers["x-openedai-warning"]
        with caplog.at_level(logging.ERROR, "openedai.api"):
            assert streamed(client).output_text == "hi"
        assert [record for record in caplog.records if "could not be stored" in record.message]
        with pytest.raises(APIError) as raised:
            ask(client, background=True)
        assert getattr(raised.value, "status_code", None) == 503
