"""Every method of the official client for responses, conversations and stored chats.

Each is called by the synchronous client and by the asynchronous one.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from operator import attrgetter
from typing import Any

import pytest
from openai import AsyncOpenAI, NotFoundError, OpenAI
from pydantic import BaseModel

from openedai.config import ModelSpec
from tests.support import ECHO_MODELS, Running, ServerThread, echo_settings

RESOURCES = (
    "responses",
    "responses.input_items",
    "responses.input_tokens",
    "conversations",
    "conversations.items",
    "chat.completions",
    "chat.completions.messages",
)
ENDLESS = ModelSpec(id="endless", engine="echo", options={"delay": 3600})
MESSAGE = {"type": "message", "role": "user", "content": "one"}
CHAT = [{"role": "user", "content": "one two"}]


class City(BaseModel):
    city: str


class Client:
    """Either client, called in the same way."""

    def __init__(self, client: OpenAI | AsyncOpenAI) -> None:
        self._client = client

    async def call(self, method: str, *given: Any, **options: Any) -> Any:
        value = attrgetter(method)(self._client)(*given, **options)
        return await value if inspect.isawaitable(value) else value

    async def all(self, method: str, *given: Any, **options: Any) -> list[Any]:
        """The events of a stream, or what the pages of a list have."""
        value = attrgetter(method)(self._client)(*given, **options)
        if inspect.iscoroutine(value):
            value = await value
        if isinstance(value, AbstractContextManager):
            with value as events:
                return list(events)
        if isinstance(value, AbstractAsyncContextManager):
            async with value as events:
                return [event async for event in events]
        return [one async for one in value] if hasattr(value, "__aiter__") else list(value)

    async def said(self, method: str, *given: Any, **options: Any) -> str:
        """The text of the response that a stream ends with."""
        end = (await self.all(method, *given, **options))[-1]
        assert end.type == "response.completed"
        return str(end.response.output_text)

    async def on_a_socket(self, body: Any) -> str:
        """The text of the response that a message on a WebSocket gets."""
        if isinstance(self._client, OpenAI):
            with self._client.responses.connect() as socket:
                socket.send(body)
                while (event := socket.recv()).type != "response.completed":
                    pass
        else:
            async with self._client.responses.connect() as connection:
                await connection.send(body)
                while (event := await connection.recv()).type != "response.completed":
                    pass
        return event.response.output_text

    async def gone(self, method: str, *given: Any, **options: Any) -> None:
        with pytest.raises(NotFoundError):
            await self.call(method, *given, **options)


Scenario = Callable[[Client], Awaitable[None]]
SCENARIOS: dict[str, Scenario] = {}


def of(method: str) -> Callable[[Scenario], Scenario]:
    """The scenario that calls a method."""

    def register(scenario: Scenario) -> Scenario:
        SCENARIOS[method] = scenario
        return scenario

    return register


async def response(client: Client, text: Any = "one two", **options: Any) -> Any:
    return await client.call("responses.create", **{"model": "echo", "input": text, **options})


async def chat(client: Client, **options: Any) -> Any:
    given = {"model": "echo", "messages": CHAT, "store": True, **options}
    return await client.call("chat.completions.create", **given)


async def conversation(client: Client) -> str:
    items = [{**MESSAGE, "content": word} for word in ("one", "two", "three")]
    return str((await client.call("conversations.create", items=items)).id)


@of("responses.create")
async def create_a_response(client: Client) -> None:
    assert (await response(client)).output_text == "one two"
    options = {"model": "echo", "input": "one two", "stream": True}
    assert await client.said("responses.create", **options) == "one two"


@of("responses.parse")
async def parse_a_response(client: Client) -> None:
    given = {"model": "echo", "input": '{"city": "Paris"}', "text_format": City}
    assert (await client.call("responses.parse", **given)).output_parsed == City(city="Paris")


@of("responses.stream")
async def stream_a_response(client: Client) -> None:
    given = {"model": "echo", "input": "one two", "background": True}
    events = await client.all("responses.stream", **given)
    made = events[0].response.id
    assert await client.said("responses.stream", response_id=made, starting_after=3) == "one two"


@of("responses.retrieve")
async def retrieve_a_response(client: Client) -> None:
    events = await client.all(
        "responses.create", model="echo", input="one two", background=True, stream=True
    )
    id = events[0].response.id
    assert (await client.call("responses.retrieve", id)).output_text == "one two"
    again = await client.all("responses.retrieve", id, stream=True)
    assert [event.to_dict() for event in again] == [event.to_dict() for event in events]
    rest = await client.all("responses.retrieve", id, stream=True, starting_after=2)
    assert [event.sequence_number for event in rest] == list(range(3, len(events)))


@of("responses.delete")
async def delete_a_response(client: Client) -> None:
    made = await response(client)
    await client.call("responses.delete", made.id)
    await client.gone("responses.retrieve", made.id)


@of("responses.cancel")
async def cancel_a_response(client: Client) -> None:
    made = await response(client, model="endless", background=True)
    assert (await client.call("responses.cancel", made.id)).status == "cancelled"


@of("responses.compact")
async def compact_a_conversation(client: Client) -> None:
    compacted = await client.call("responses.compact", model="echo", input="one two")
    assert [item.type for item in compacted.output] == ["compaction"]
    items = [item.to_dict() for item in compacted.output]
    assert (await response(client, [*items, MESSAGE])).output_text == "one"
    made = await response(client)
    again = await client.call("responses.compact", model="echo", previous_response_id=made.id)
    assert again.object == "response.compaction"


@of("responses.connect")
async def connect_a_socket(client: Client) -> None:
    body = {"type": "response.create", "model": "echo", "input": "one two"}
    assert await client.on_a_socket(body) == "one two"


@of("responses.input_items.list")
async def list_the_input(client: Client) -> None:
    made = await response(client, [{**MESSAGE, "content": word} for word in ("a", "b", "c")])
    pages = {"limit": 2, "order": "asc"}
    items = await client.all("responses.input_items.list", made.id, **pages)
    assert [item.content[0].text for item in items] == ["a", "b", "c"]


@of("responses.input_tokens.count")
async def count_tokens(client: Client) -> None:
    made = await response(client)
    counted = await client.call("responses.input_tokens.count", model="echo", input="one two")
    assert counted.input_tokens == made.usage.input_tokens


@of("conversations.create")
async def create_a_conversation(client: Client) -> None:
    made = await client.call("conversations.create", metadata={"topic": "numbers"})
    assert (made.object, made.metadata) == ("conversation", {"topic": "numbers"})


@of("conversations.retrieve")
async def retrieve_a_conversation(client: Client) -> None:
    id = await conversation(client)
    assert (await client.call("conversations.retrieve", id)).id == id


@of("conversations.update")
async def update_a_conversation(client: Client) -> None:
    id = await conversation(client)
    await client.call("conversations.update", id, metadata={"a": "b"})
    assert (await client.call("conversations.retrieve", id)).metadata == {"a": "b"}


@of("conversations.delete")
async def delete_a_conversation(client: Client) -> None:
    id = await conversation(client)
    assert (await client.call("conversations.delete", id)).deleted
    await client.gone("conversations.retrieve", id)


@of("conversations.items.create")
async def create_items(client: Client) -> None:
    id = await conversation(client)
    added = await client.call("conversations.items.create", id, items=[MESSAGE, MESSAGE])
    assert [item.content[0].text for item in added.data] == ["one", "one"]
    assert len(await client.all("conversations.items.list", id)) == 5


@of("conversations.items.retrieve")
async def retrieve_an_item(client: Client) -> None:
    id = await conversation(client)
    first = (await client.all("conversations.items.list", id, order="asc"))[0]
    found = await client.call("conversations.items.retrieve", first.id, conversation_id=id)
    assert found.to_dict() == first.to_dict()


@of("conversations.items.list")
async def list_items(client: Client) -> None:
    id = await conversation(client)
    await response(client, "four", conversation=id)
    items = await client.all("conversations.items.list", id, limit=2, order="asc")
    assert [item.content[0].text for item in items] == ["one", "two", "three", "four", "four"]


@of("conversations.items.delete")
async def delete_an_item(client: Client) -> None:
    id = await conversation(client)
    first = (await client.all("conversations.items.list", id))[0]
    await client.call("conversations.items.delete", first.id, conversation_id=id)
    await client.gone("conversations.items.retrieve", first.id, conversation_id=id)


@of("chat.completions.create")
async def create_a_chat(client: Client) -> None:
    assert (await chat(client)).choices[0].message.content == "one two"
    given = {"model": "echo", "messages": CHAT, "store": True, "stream": True}
    chunks = await client.all("chat.completions.create", **given)
    kept = await client.call("chat.completions.retrieve", chunks[0].id)
    assert kept.choices[0].message.content == "one two"


@of("chat.completions.parse")
async def parse_a_chat(client: Client) -> None:
    messages = [{"role": "user", "content": '{"city": "Paris"}'}]
    given = {"model": "echo", "messages": messages, "response_format": City, "store": True}
    made = await client.call("chat.completions.parse", **given)
    assert made.choices[0].message.parsed == City(city="Paris")
    assert (await client.call("chat.completions.retrieve", made.id)).id == made.id


@of("chat.completions.stream")
async def stream_a_chat(client: Client) -> None:
    given = {"model": "echo", "messages": CHAT, "store": True}
    events = await client.all("chat.completions.stream", **given)
    texts = [event.content for event in events if event.type == "content.done"]
    assert texts == ["one two"]


@of("chat.completions.retrieve")
async def retrieve_a_chat(client: Client) -> None:
    made = await chat(client)
    found = await client.call("chat.completions.retrieve", made.id)
    assert found.choices[0].message.content == "one two"


@of("chat.completions.update")
async def update_a_chat(client: Client) -> None:
    made = await chat(client)
    await client.call("chat.completions.update", made.id, metadata={"a": "b"})
    assert (await client.call("chat.completions.retrieve", made.id)).metadata == {"a": "b"}


@of("chat.completions.list")
async def list_chats(client: Client) -> None:
    made = [(await chat(client, metadata={"listed": "yes"})).id for _ in range(3)]
    found = await client.all("chat.completions.list", metadata={"listed": "yes"}, limit=2)
    assert [one.id for one in found if one.id in made] == made


@of("chat.completions.delete")
async def delete_a_chat(client: Client) -> None:
    made = await chat(client)
    assert (await client.call("chat.completions.delete", made.id)).deleted
    await client.gone("chat.completions.retrieve", made.id)


@of("chat.completions.messages.list")
async def list_messages(client: Client) -> None:
    made = await chat(client, messages=[*CHAT, *CHAT, *CHAT])
    found = await client.all("chat.completions.messages.list", made.id, limit=2)
    assert [message.content for message in found] == ["one two"] * 3


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    models = (*ECHO_MODELS, ENDLESS)
    with ServerThread(echo_settings(data=tmp_path_factory.mktemp("d"), models=models)) as running:
        yield running


# The client uses the library of its WebSockets in an older way.
@pytest.mark.filterwarnings("ignore:connect\\(\\) must be used:DeprecationWarning")
@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("method", SCENARIOS)
def test_a_method(server: Running, method: str, kind: str) -> None:
    async def run() -> None:
        if kind == "sync":
            with server.client() as client:
                await SCENARIOS[method](Client(client))
        else:
            url = f"{server.url}/v1"
            async with AsyncOpenAI(base_url=url, api_key="dummy", max_retries=0) as other:
                await SCENARIOS[method](Client(other))

    asyncio.run(run())


@pytest.mark.parametrize("kind", [OpenAI, AsyncOpenAI])
def test_there_are_no_other_methods(kind: type[OpenAI | AsyncOpenAI]) -> None:
    client = kind(api_key="dummy")
    found = {
        f"{resource}.{name}"
        for resource in RESOURCES
        for name, value in vars(type(attrgetter(resource)(client))).items()
        if callable(value) and not name.startswith("_")
    }
    assert found == set(SCENARIOS)
