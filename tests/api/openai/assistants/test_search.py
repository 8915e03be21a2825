"""`file_search` of assistants, and citations, by the official client."""

from __future__ import annotations

from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from openai.types.beta.threads import Message
from openai.types.beta.threads.runs import FileSearchToolCall

from tests.api.openai.assistants.conftest import SEARCH_CALL
from tests.api.openai.assistants.made import assistant, texts, thread

# The official client calls all of it deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SEARCH: Any = {"type": "file_search"}
INCLUDE: Any = ["step_details.tool_calls[*].file_search.results[*].content"]
TEXT = "Plants turn light into sugar. 【7†a.txt】 is no mark of ours."


@pytest.fixture(scope="module")
def stores(server: Any) -> tuple[str, str]:
    """Two vector stores with a file each."""
    with server.client() as client:
        made = []
        for name, text in (("plants.txt", TEXT), ("cats.txt", "Cats sleep.")):
            store = client.vector_stores.create().id
            client.vector_stores.files.upload_and_poll(
                vector_store_id=store, file=(name, text.encode()), poll_interval_ms=20
            )
            made.append(store)
    return made[0], made[1]


def resources(*stores: str) -> Any:
    return {"file_search": {"vector_store_ids": list(stores)}}


def search_call(client: OpenAI, run: Any, **options: Any) -> FileSearchToolCall:
    steps = client.beta.threads.runs.steps.list(
        run.id, thread_id=run.thread_id, order="asc", **options
    )
    details = steps.data[0].step_details
    assert details.type == "tool_calls"
    (call,) = details.tool_calls
    assert call.type == "file_search"
    return call


def answer(client: OpenAI, run: Any) -> Message:
    return client.beta.threads.messages.list(run.thread_id, run_id=run.id).data[0]


def test_files_are_searched_and_cited(client: OpenAI, stores: tuple[str, str]) -> None:
    """The model's answer is what the search gave it, so it has the marks."""
    asst = assistant(client, tools=[SEARCH], tool_resources=resources(stores[0]))
    id = thread(client, "sugar", tool_resources=resources(stores[1]))
    run = client.beta.threads.runs.create_and_poll(
        thread_id=id, assistant_id=asst, tool_choice=SEARCH, poll_interval_ms=20
    )
    assert run.status == "completed", run.last_error
    call = search_call(client, run)
    assert call.file_search.results is not None
    names = [result.file_name for result in call.file_search.results]
    assert sorted(names) == ["cats.txt", "plants.txt"]
    assert all(result.content is None for result in call.file_search.results)
    with_texts = search_call(client, run, include=INCLUDE).file_search.results
    assert with_texts is not None
    contents = {one.file_name: one.content for one in with_texts}
    assert contents["cats.txt"] is not None
    assert contents["cats.txt"][0].text == "Cats sleep."
    (part,) = answer(client, run).content
    assert part.type == "text"
    value, annotations = part.text.value, part.text.annotations
    ids = {result.file_name: result.file_id for result in call.file_search.results}
    cited = []
    for annotation in annotations:
        assert annotation.type == "file_citation"
        assert value[annotation.start_index : annotation.end_index] == annotation.text
        cited.append(annotation.text.partition("†")[2].removesuffix("】"))
        assert annotation.file_citation.file_id == ids[cited[-1]]
    # The server cites the sentence that the model has without a mark.
    assert sorted(cited) == ["cats.txt", "plants.txt", "plants.txt"]
    assert "[7†a.txt] is no mark of ours.【" in value  # a text has no marks of its own


def test_the_server_cites_where_the_model_does_not(client: OpenAI) -> None:
    """A model that calls the search each time is to answer after some."""
    store = client.vector_stores.create().id
    client.vector_stores.files.upload_and_poll(
        vector_store_id=store,
        file=("calls.txt", f"They say {SEARCH_CALL} often.".encode()),
        poll_interval_ms=20,
    )
    asst = assistant(client, model="searches", tools=[SEARCH], tool_resources=resources(store))
    with client.beta.threads.create_and_run_stream(
        assistant_id=asst, thread={"messages": [{"role": "user", "content": "sugar"}]}
    ) as stream:
        events = list(stream)
        run = stream.get_final_run()
        (message,) = stream.get_final_messages()
    assert run.status == "completed", run.last_error
    names = [event.event for event in events]
    assert names.count("thread.run.step.completed") == 11
    assert names[4:8] == [
        "thread.run.step.created",
        "thread.run.step.in_progress",
        "thread.run.step.delta",
        "thread.run.step.completed",
    ]
    assert message.to_dict() == answer(client, run).to_dict()
    (part,) = message.content
    assert part.type == "text"
    (citation,) = part.text.annotations
    assert part.text.value == f"{SEARCH_CALL}{citation.text}"
    assert citation.text.endswith("†calls.txt】")
    assert part.text.value[citation.start_index : citation.end_index] == citation.text


def test_a_search_without_stores_and_with_options(client: OpenAI, stores: tuple[str, str]) -> None:
    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant(client, tools=[SEARCH]),
        tool_choice="required",
        poll_interval_ms=20,
    )
    assert run.status == "completed", run.last_error
    assert search_call(client, run).file_search.results == []
    assert texts(client, run.thread_id) == ["Nothing was found."]
    options: Any = {
        "type": "file_search",
        "file_search": {
            "max_num_results": 1,
            "ranking_options": {"ranker": "auto", "score_threshold": 0.0},
        },
    }
    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant(client),
        tools=[options],
        tool_choice=SEARCH,
        tool_resources=resources(stores[0]),
        thread={
            "messages": [{"role": "user", "content": "cats"}],
            "tool_resources": resources(stores[1]),
        },
        poll_interval_ms=20,
    )
    call = search_call(client, run)
    assert call.file_search.results is not None
    assert [one.file_name for one in call.file_search.results] == ["cats.txt"]
    assert call.file_search.ranking_options is not None
    assert call.file_search.ranking_options.ranker == "auto"


def test_a_store_that_is_gone(client: OpenAI) -> None:
    store = client.vector_stores.create().id
    asst = assistant(client, tools=[SEARCH], tool_resources=resources(store))
    id = thread(client, "a")
    client.vector_stores.delete(store)
    with pytest.raises(NotFoundError, match=f"Vector store with id '{store}' not found"):
        client.beta.threads.runs.create(id, assistant_id=asst)


def test_attachments_are_searched(client: OpenAI) -> None:
    """In a store that the thread gets; a run waits for files that are not read yet."""
    files = [
        client.files.create(file=(f"{name}.txt", f"{name} sleep".encode()), purpose="assistants").id
        for name in ("cats", "dogs", "owls")
    ]

    def message(file: str) -> Any:
        attachment = {"file_id": file, "tools": [SEARCH]}
        return {"role": "user", "content": "sleep", "attachments": [attachment]}

    asst = assistant(client, tools=[SEARCH])
    run = client.beta.threads.create_and_run_poll(
        assistant_id=asst,
        thread={"messages": [message(files[0])]},
        tool_choice=SEARCH,
        poll_interval_ms=20,
    )
    assert found(client, run) == ["cats.txt"]
    thread = client.beta.threads.retrieve(run.thread_id)
    assert thread.tool_resources is not None
    assert thread.tool_resources.file_search is not None
    assert thread.tool_resources.file_search.vector_store_ids is not None
    (store,) = thread.tool_resources.file_search.vector_store_ids
    expiry = client.vector_stores.retrieve(store).expires_after
    assert expiry is not None
    assert expiry.days == 7
    added = client.beta.threads.messages.create(run.thread_id, **message(files[1]))
    assert added.attachments is not None
    assert added.attachments[0].file_id == files[1]
    run = client.beta.threads.runs.create_and_poll(
        thread_id=run.thread_id,
        assistant_id=asst,
        additional_messages=[message(files[2])],
        tool_choice=SEARCH,
        poll_interval_ms=20,
    )
    assert found(client, run) == ["cats.txt", "dogs.txt", "owls.txt"]
    assert client.beta.threads.retrieve(run.thread_id).to_dict() == thread.to_dict()
    made = client.beta.threads.create(messages=[message(files[0])])
    assert made.tool_resources is not None
    assert made.tool_resources.file_search is not None


def test_stores_are_made_with_what_uses_them(client: OpenAI) -> None:
    file = client.files.create(file=("cats.txt", b"Cats sleep."), purpose="assistants").id
    sizes = {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 50}
    new: Any = {
        "file_ids": [file],
        "chunking_strategy": {"type": "static", "static": sizes},
        "metadata": {"of": "cats"},
    }
    given: Any = {"file_search": {"vector_stores": [new]}}
    asst = client.beta.assistants.create(model="echo", tools=[SEARCH], tool_resources=given)
    made = client.beta.threads.create(tool_resources=given)
    run = client.beta.threads.create_and_run_poll(
        assistant_id=asst.id,
        thread={"messages": [{"role": "user", "content": "sleep"}], "tool_resources": given},
        tool_choice=SEARCH,
        poll_interval_ms=20,
    )
    assert found(client, run) == ["cats.txt", "cats.txt"]  # in the stores of both
    threads = [made, client.beta.threads.retrieve(run.thread_id)]
    for one, days in ((asst, None), (threads[0], 7), (threads[1], 7)):
        (store,) = searched(one)
        shown = client.vector_stores.retrieve(store)
        assert shown.metadata == {"of": "cats"}
        assert (shown.expires_after and shown.expires_after.days) == days
        (entry,) = client.vector_stores.files.list(store)
        assert entry.id == file
        assert entry.chunking_strategy is not None
        assert entry.chunking_strategy.to_dict()["static"] == sizes
    # The files of messages are added to the same store.
    attachment: Any = {"file_id": file, "tools": [SEARCH]}
    message: Any = {"role": "user", "content": "sleep", "attachments": [attachment]}
    (store,) = searched(client.beta.threads.create(messages=[message], tool_resources=given))
    assert [one.id for one in client.vector_stores.files.list(store)] == [file]


def test_no_store_is_left_behind(client: OpenAI) -> None:
    before = {store.id for store in client.vector_stores.list()}
    file = client.files.create(file=("cats.txt", b"Cats sleep."), purpose="assistants").id
    made: Any = {"file_search": {"vector_stores": [{"file_ids": [file]}]}}
    missing = {"file_id": "file-0", "tools": [SEARCH]}
    message: Any = {"role": "user", "content": "a", "attachments": [missing]}
    bodies: tuple[Any, ...] = (
        {"tool_resources": made, "messages": [message]},
        {"tool_resources": {"file_search": {"vector_stores": [{"file_ids": ["file-0"]}]}}},
    )
    for body in bodies:
        with pytest.raises(NotFoundError):
            client.beta.threads.create(**body)
    asst = assistant(client)
    for options in ({"model": "nope"}, {"assistant_id": "asst_0"}):
        body = {"assistant_id": asst, "thread": {"tool_resources": made}, **options}
        with pytest.raises(NotFoundError):
            client.beta.threads.create_and_run(**body)
    both: Any = {"file_search": {"vector_stores": [{}], "vector_store_ids": ["vs_0"]}}
    sizes = {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 150}
    overlap: Any = {"chunking_strategy": {"type": "static", "static": sizes}}
    bad: tuple[tuple[Any, str], ...] = (
        (both, "file_search.vector_stores"),
        ({"file_search": {"vector_stores": [{}, {}]}}, "file_search.vector_stores"),
        (
            {"file_search": {"vector_stores": [overlap]}},
            "file_search.vector_stores[0].chunking_strategy.static.chunk_overlap_tokens",
        ),
    )
    for resources, param in bad:
        with pytest.raises(BadRequestError) as caught:
            client.beta.threads.create(tool_resources=resources)
        assert caught.value.param == f"tool_resources.{param}"
        with pytest.raises(BadRequestError) as caught:
            client.beta.assistants.create(model="echo", tool_resources=resources)
        assert caught.value.param == f"tool_resources.{param}"
    assert {store.id for store in client.vector_stores.list()} == before


def searched(owner: Any) -> list[str]:
    """The ids of the vector stores of an assistant or a thread."""
    stores: list[str] = owner.tool_resources.file_search.vector_store_ids
    return stores


def found(client: OpenAI, run: Any) -> list[str]:
    assert run.status == "completed", run.last_error
    results = search_call(client, run).file_search.results
    return sorted(result.file_name for result in results or ())
