"""Vector stores and their files, with the official client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from openai import AzureOpenAI, BadRequestError, NotFoundError, OpenAI

from openedai.config import ModelSpec
from tests.support import Running, ServerThread, echo_settings, wait_until

FOX = b"The quick brown fox jumps over the lazy dog.\n"
NUMBERS = "\n\n".join(f"Paragraph {n}. " + f"number{n} " * 60 for n in range(40)).encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    models = (
        ModelSpec(id="echo", engine="echo"),
        ModelSpec(id="other", engine="echo", options={"dimensions": 12}),
        ModelSpec(id="slow", engine="echo", options={"delay": 0.3, "slots": 1}),
    )
    settings = echo_settings(data=tmp_path_factory.mktemp("data"), models=models)
    with ServerThread(settings) as running:
        yield running


@pytest.fixture
def client(server: Running) -> OpenAI:
    return server.client()


def uploaded(client: OpenAI, content: bytes = FOX, name: str = "a.txt") -> str:
    return client.files.create(file=(name, content), purpose="assistants").id


def test_a_store_from_its_making_to_its_end(client: OpenAI) -> None:
    made = client.vector_stores.create(
        name="notes",
        description="of mine",
        metadata={"a": "b"},
        expires_after={"anchor": "last_active_at", "days": 2},
    )
    assert made.object == "vector_store"
    assert (made.name, made.metadata, made.status, made.usage_bytes) == (
        *("notes", {"a": "b"}, "completed"),
        0,
    )
    assert made.last_active_at is not None
    assert made.expires_at == made.last_active_at + 2 * 86400
    assert client.vector_stores.retrieve(made.id) == made
    changed = client.vector_stores.update(made.id, name="other", metadata={"c": "d"})
    assert (changed.name, changed.metadata) == ("other", {"c": "d"})
    assert changed.expires_after is not None
    assert client.vector_stores.update(made.id, expires_after=None).expires_at is None
    assert client.vector_stores.update(made.id, name=None).name == ""
    deleted = client.vector_stores.delete(made.id)
    assert (deleted.id, deleted.deleted, deleted.object) == (made.id, True, "vector_store.deleted")
    with pytest.raises(NotFoundError):
        client.vector_stores.retrieve(made.id)


def test_lists_go_both_ways(client: OpenAI) -> None:
    made = [client.vector_stores.create(name=str(number)).id for number in range(5)]
    newest = client.vector_stores.list(limit=2)
    assert [store.id for store in newest][:5] == made[::-1]
    page = client.vector_stores.list(limit=2, after=made[3])
    assert [store.id for store in page.data] == [made[2], made[1]]
    assert page.has_more
    page = client.vector_stores.list(limit=2, before=made[1])
    assert [store.id for store in page.data] == [made[3], made[2]]
    page = client.vector_stores.list(limit=2, before=made[3], order="asc")
    assert [store.id for store in page.data] == [made[1], made[2]]
    page = client.vector_stores.list(limit=10, after=made[4], before=made[0])
    assert [store.id for store in page.data] == made[3:0:-1]


def test_a_file_is_searched(client: OpenAI) -> None:
    store = client.vector_stores.create()
    file = client.vector_stores.files.create_and_poll(
        uploaded(client), vector_store_id=store.id, attributes={"year": 1984, "big": True}
    )
    assert (file.status, file.last_error, file.object) == ("completed", None, "vector_store.file")
    assert file.attributes == {"year": 1984, "big": True}
    assert file.chunking_strategy is not None
    assert file.chunking_strategy.to_dict() == {
        "type": "static",
        "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400},
    }
    store = client.vector_stores.retrieve(store.id)
    assert store.usage_bytes == file.usage_bytes > 0
    assert store.file_counts.to_dict() == {
        **{"cancelled": 0, "completed": 1, "failed": 0, "in_progress": 0},
        "total": 1,
    }
    (found,) = client.vector_stores.search(store.id, query="Where is the fox?")
    assert (found.file_id, found.filename) == (file.id, "a.txt")
    assert found.attributes == {"year": 1984, "big": True}
    assert [(part.type, part.text) for part in found.content] == [("text", FOX.decode().strip())]
    assert 0 < found.score <= 1
    (content,) = client.vector_stores.files.content(file.id, vector_store_id=store.id)
    assert (content.type, content.text) == ("text", FOX.decode())
    assert client.vector_stores.search(store.id, query="x", filters=YEAR_2000).data == []


WORDS_ONLY: Any = {
    "ranker": "none",
    "score_threshold": 0.9,
    "hybrid_search": {"embedding_weight": 0, "text_weight": 1},
}
YEAR_2000: Any = {"type": "gt", "key": "year", "value": 2000}


def test_what_changes_shows_in_the_next_search(client: OpenAI) -> None:
    store = client.vector_stores.create()
    files = [
        client.vector_stores.files.upload_and_poll(
            vector_store_id=store.id, file=(f"{n}.txt", f"The fox number {n}.".encode())
        ).id
        for n in range(3)
    ]

    def found(**options: Any) -> list[str]:
        page = client.vector_stores.search(store.id, query="fox", **options)
        return sorted(result.file_id for result in page)

    assert found() == sorted(files)
    client.vector_stores.files.update(files[0], vector_store_id=store.id, attributes={"year": 2001})
    assert found(filters=YEAR_2000) == files[:1]
    deleted = client.vector_stores.files.delete(files[1], vector_store_id=store.id)
    assert (deleted.deleted, deleted.object) == (True, "vector_store.file.deleted")
    assert found() == sorted([files[0], files[2]])
    assert client.files.retrieve(files[1]).id == files[1]
    client.files.delete(files[2])
    assert found() == files[:1]
    assert client.vector_stores.retrieve(store.id).file_counts.total == 1
    with pytest.raises(NotFoundError):
        client.vector_stores.files.retrieve(files[2], vector_store_id=store.id)
    again = client.vector_stores.files.create_and_poll(files[1], vector_store_id=store.id)
    assert again.status == "completed"
    assert found() == sorted(files[:2])


def test_chunks_of_a_given_size(client: OpenAI) -> None:
    store = client.vector_stores.create()
    file = client.vector_stores.files.create_and_poll(
        uploaded(client, NUMBERS),
        vector_store_id=store.id,
        chunking_strategy={
            "type": "static",
            "static": {"max_chunk_size_tokens": 130, "chunk_overlap_tokens": 0},
        },
    )
    assert file.status == "completed"
    (best, *_) = client.vector_stores.search(store.id, query="number17", ranking_options=WORDS_ONLY)
    assert best.content[0].text.startswith("Paragraph 17.")
    assert best.content[0].text.count("number17") == 60
    few = client.vector_stores.search(store.id, query="number17", max_num_results=2)
    assert len(few.data) == 2
    sure = client.vector_stores.search(
        store.id,
        query=["number17", "number3"],
        ranking_options=WORDS_ONLY,
    )
    assert sorted(result.content[0].text[:13] for result in sure) == [
        "Paragraph 17.",
        "Paragraph 3. ",
    ]


def test_a_batch_of_files(client: OpenAI) -> None:
    store = client.vector_stores.create()
    good = [uploaded(client, f"text {n}".encode()) for n in range(4)]
    broken = uploaded(client, b"%PDF-1.7 nothing", "a.pdf")
    batch = client.vector_stores.file_batches.create_and_poll(
        store.id, file_ids=[*good, broken], attributes={"of": "batch"}
    )
    assert batch.object == "vector_store.files_batch"
    assert batch.status == "completed"
    assert (batch.file_counts.completed, batch.file_counts.failed) == (4, 1)
    (failed,) = client.vector_stores.file_batches.list_files(
        batch.id, vector_store_id=store.id, filter="failed"
    )
    assert failed.id == broken
    assert failed.last_error is not None
    assert failed.last_error.code in ("unsupported_file", "invalid_file")
    listed = list(client.vector_stores.files.list(store.id, limit=2, order="asc"))
    assert [file.id for file in listed] == [*good, broken]
    assert {file.attributes["of"] for file in listed if file.attributes} == {"batch"}
    each = client.vector_stores.file_batches.create_and_poll(
        store.id, files=[{"file_id": good[0], "attributes": {"of": "itself"}}]
    )
    assert each.file_counts.total == 1
    again = client.vector_stores.files.retrieve(good[0], vector_store_id=store.id)
    assert again.attributes == {"of": "itself"}
    uploads = client.vector_stores.file_batches.upload_and_poll(
        store.id, files=[("x.md", b"# One"), ("y.md", b"# Two")]
    )
    assert uploads.file_counts.completed == 2
    assert client.vector_stores.retrieve(store.id).file_counts.total == 7


def test_a_batch_is_cancelled(client: OpenAI) -> None:
    store = client.vector_stores.create(extra_body={"embedding_model": "slow"})
    files = [uploaded(client, f"text {n}".encode()) for n in range(8)]
    batch = client.vector_stores.file_batches.create(store.id, file_ids=files)
    assert batch.status == "in_progress"
    assert client.vector_stores.retrieve(store.id).status == "in_progress"
    cancelled = client.vector_stores.file_batches.cancel(batch.id, vector_store_id=store.id)
    assert cancelled.status == "cancelled"
    assert cancelled.file_counts.in_progress == 0
    assert cancelled.file_counts.cancelled >= 1
    assert client.vector_stores.retrieve(store.id).status == "completed"


def test_a_store_is_made_with_files(client: OpenAI) -> None:
    file = uploaded(client)
    store = client.vector_stores.create(file_ids=[file])
    assert store.file_counts.total == 1
    wait_until(lambda: client.vector_stores.retrieve(store.id).status == "completed")
    assert [one.file_id for one in client.vector_stores.search(store.id, query="dog")] == [file]
    for body in ({"file_ids": ["file-none"]}, {"extra_body": {"embedding_model": "none"}}):
        with pytest.raises(NotFoundError):
            client.vector_stores.create(**body)


@pytest.mark.parametrize(
    ("filter", "matches"),
    [
        ({"type": "eq", "key": "a", "value": 1}, True),
        ({"type": "eq", "key": "a", "value": "1"}, False),
        ({"type": "ne", "key": "none", "value": 1}, True),
        ({"type": "in", "key": "b", "value": ["x", "y"]}, True),
        ({"type": "nin", "key": "b", "value": ["x", "y"]}, False),
        ({"type": "and", "filters": [{"type": "gte", "key": "a", "value": 1}]}, True),
        (
            {
                "type": "or",
                "filters": [
                    {"type": "lt", "key": "a", "value": 1},
                    {"type": "and", "filters": [{"type": "eq", "key": "c", "value": True}]},
                ],
            },
            True,
        ),
    ],
)
def test_filters(client: OpenAI, filter: Any, matches: bool) -> None:
    store = filtered_store(client)
    found = client.vector_stores.search(store, query="fox", filters=filter)
    assert bool(found.data) == matches


def filtered_store(client: OpenAI) -> str:
    """The store that all these tests search."""
    for store in client.vector_stores.list(limit=100):
        if store.name == "filtered":
            return store.id
    store = client.vector_stores.create(name="filtered")
    client.vector_stores.files.create_and_poll(
        uploaded(client),
        vector_store_id=store.id,
        attributes={"a": 1, "b": "x", "c": True},
    )
    return store.id


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "query"),
        ({"query": ""}, "query"),
        ({"query": []}, "query"),
        ({"query": 5}, "query"),
        ({"query": "a", "max_num_results": 51}, "max_num_results"),
        ({"query": "a", "ranking_options": {"ranker": "best"}}, "ranking_options.ranker"),
        (
            {"query": "a", "ranking_options": {"score_threshold": 2}},
            "ranking_options.score_threshold",
        ),
        (
            {
                "query": "a",
                "ranking_options": {"hybrid_search": {"embedding_weight": 0, "text_weight": 0}},
            },
            "ranking_options.hybrid_search",
        ),
        ({"query": "a", "filters": {"type": "eq", "key": "a"}}, "filters.value"),
        ({"query": "a", "filters": {"type": "eq", "key": "a", "value": ["x"]}}, "filters.value"),
        ({"query": "a", "filters": {"type": "in", "key": "a", "value": "x"}}, "filters.value"),
        ({"query": "a", "filters": {"type": "like", "key": "a", "value": "x"}}, "filters.type"),
        ({"query": "a", "filters": {"type": "and", "filters": []}}, "filters.filters"),
        (
            {
                "query": "a",
                "filters": {"type": "or", "filters": [{"type": "gt", "key": "a", "value": ["x"]}]},
            },
            "filters.filters[0].value",
        ),
    ],
)
def test_searches_that_are_not_valid(client: OpenAI, body: dict[str, Any], param: str) -> None:
    store = filtered_store(client)
    with pytest.raises(BadRequestError) as caught:
        client.post(f"/vector_stores/{store}/search", cast_to=object, body=body)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"expires_after": {"anchor": "created_at", "days": 1}}, "expires_after.anchor"),
        ({"expires_after": {"anchor": "last_active_at", "days": 0}}, "expires_after.days"),
        ({"metadata": {"a": "x" * 513}}, "metadata.a"),
        ({"chunking_strategy": {"type": "none"}}, "chunking_strategy.type"),
        (
            {
                "chunking_strategy": {
                    "type": "static",
                    "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 51},
                }
            },
            "chunking_strategy.static.chunk_overlap_tokens",
        ),
        ({"file_ids": ["../x"]}, "file_ids[0]"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_stores_that_are_not_valid(client: OpenAI, body: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        client.post("/vector_stores", cast_to=object, body=body)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "file_ids"),
        ({"file_ids": ["a"], "files": [{"file_id": "a"}]}, "files"),
        ({"file_ids": []}, "file_ids"),
        ({"files": [{"file_id": "a", "attributes": {"a": None}}]}, "files[0].attributes.a"),
        ({"files": [{"file_id": "a", "attributes": {"a": "x" * 513}}]}, "files[0].attributes.a"),
    ],
)
def test_batches_that_are_not_valid(client: OpenAI, body: dict[str, Any], param: str) -> None:
    store = filtered_store(client)
    with pytest.raises(BadRequestError) as caught:
        client.post(f"/vector_stores/{store}/file_batches", cast_to=object, body=body)
    assert caught.value.param == param


def test_the_query_is_rewritten(client: OpenAI) -> None:
    """The echo engine gives back what it is asked."""
    found = client.vector_stores.search(
        filtered_store(client), query="the  fox", rewrite_query=True
    )
    searched: Any = found.to_dict()["search_query"]
    assert searched[-1] == "the  fox"
    assert len(searched) == 2
    assert len(found.data) == 1


def test_azure(server: Running) -> None:
    with AzureOpenAI(
        azure_endpoint=server.url, api_version="2024-10-21", api_key="dummy", max_retries=0
    ) as client:
        file = client.files.create(file=("a.txt", FOX), purpose="assistants")
        store = client.vector_stores.create(name="azure")
        added = client.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id)
        assert added.status == "completed"
        assert len(client.vector_stores.search(store.id, query="fox").data) == 1


def test_a_reranker_scores_the_results(client: OpenAI) -> None:
    """That of the echo engine counts the words that a text shares with the query."""
    query = "a fox and an owl"
    store = client.vector_stores.create()
    for text in ("owl", query, f"{query} in a wood"):
        client.vector_stores.files.upload_and_poll(
            vector_store_id=store.id, file=(f"{text}.txt", text.encode())
        )
    for ranker in ("auto", "default-2024-11-15"):
        ranked = client.vector_stores.search(
            store.id, query=query, ranking_options={"ranker": ranker}
        )
        assert [one.filename for one in ranked][2:] == ["owl.txt"]
    plain = client.vector_stores.search(store.id, query=query, ranking_options={"ranker": "none"})
    assert [one.score for one in plain] != [one.score for one in ranked]
    assert all(0 <= one.score <= 1 for one in [*plain, *ranked])
    few = client.vector_stores.search(
        store.id, query=query, ranking_options={"score_threshold": ranked.data[0].score}
    )
    assert [one for one in few if one.filename == "owl.txt"] == []
    assert f"{query}.txt" in [one.filename for one in few]


def test_how_many_files_are_added_at_once(client: OpenAI) -> None:
    store = client.vector_stores.create()
    batches = client.vector_stores.file_batches
    for most, add in (
        (500, lambda ids: client.vector_stores.create(file_ids=ids)),
        (2000, lambda ids: batches.create(store.id, file_ids=ids)),
        (2000, lambda ids: batches.create(store.id, files=[{"file_id": id} for id in ids])),
    ):
        ids = [f"file-{number}" for number in range(most + 1)]
        with pytest.raises(BadRequestError, match=f"maximum length {most},") as caught:
            add(ids)
        assert caught.value.param in ("file_ids", "files")
        with pytest.raises(NotFoundError, match="file-0"):  # not too many
            add(ids[:most])
    assert client.vector_stores.retrieve(store.id).file_counts.total == 0
