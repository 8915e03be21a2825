"""`/v1/organization/usage/…` and `/v1/organization/costs` with the official client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import BadRequestError, OpenAI, PermissionDeniedError

from openedai.api.openai.organization.usage_queries import BucketQuery
from openedai.config import Secret
from openedai.store.store import Store
from openedai.store.usage.records import UsageRecords
from tests.api.openai.organization.records import START, record
from tests.databases import new_database
from tests.support import Running, ServerThread, echo_settings

HOUR, DAY = 3600, 86400


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def written(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """A server with a database in which others wrote usage; it keeps none itself."""
    folder, database_url = tmp_path_factory.mktemp("data"), ""
    if request.param == "postgres":
        database_url = new_database(request.getfixturevalue("postgres"))

    async def write() -> None:
        store = Store(folder, database_url)
        await UsageRecords(store, 10.0**10, 10**6).write(RECORDS)
        await store.close()

    asyncio.run(write())
    database = Secret(database_url) if database_url else None
    settings = echo_settings(data=folder, database=database, usage_lifetime=1e9)
    with ServerThread(settings) as running:
        yield running


@pytest.fixture
def client(written: Running) -> Iterator[OpenAI]:
    with admin(written) as client:
        yield client


def admin(server: Running) -> OpenAI:
    return server.client(admin_api_key="dummy")


RECORDS = [
    record(0, model="big", project="proj_a", key="key_1", prompt_tokens=100, cached_tokens=40,
           completion_tokens=10, input_cost=0.6, cached_cost=0.1, output_cost=0.3),
    record(10, model="big", project="proj_b", key="key_2", prompt_tokens=5, origin="batch",
           input_cost=0.05),
    record(HOUR, model="small", project="proj_a", key="key_1", prompt_tokens=7),
    record(2 * DAY + 5, model="big", project="proj_a", key="key_3", completion_tokens=9,
           output_cost=0.27),
    record(1, kind="embeddings", model="vectors", project="proj_a", prompt_tokens=1000),
    record(2, kind="moderations", model="safe", prompt_tokens=12),
    record(3, kind="decisions", model="big", prompt_tokens=8, completion_tokens=1),
    record(4, kind="images", model="painter", route="/v1/images/generations", images=2,
           size="64x64", unit_cost=0.5, project="proj_a"),
    record(5, kind="images", model="painter", route="/openai/v1/images/edits", images=1,
           size="128x64", unit_cost=0.25),
    record(6, kind="audio_speeches", model="voice", characters=500, unit_cost=0.01),
    record(7, kind="audio_transcriptions", model="ear", audio_seconds=90.4, unit_cost=0.02),
    record(8, kind="fine_tuning", model="small", prompt_tokens=4000, unit_cost=0.04),
    record(9, kind="", model="big", status=503),
    record(11, kind="file_search_calls", model="big", first_token_seconds=0.5),
    record(12, kind="web_search_calls", model="big", project="proj_a", first_token_seconds=0.5),
    record(13, kind="web_search_calls", model="big", project="proj_a"),
    record(14, kind="code_interpreter_sessions", model="big", project="proj_a"),
    record(15, kind="code_interpreter_sessions", model="", route="/v1/containers"),
    record(16, kind="code_interpreter_sessions", model="big", project="proj_a"),
]  # fmt: skip


def results(page: Any) -> list[list[dict[str, Any]]]:
    assert page.object == "page"
    assert all(bucket.object == "bucket" for bucket in page.data)
    return [[one.to_dict() for one in bucket.results] for bucket in page.data]


def test_tokens_by_day(client: OpenAI) -> None:
    page = client.admin.organization.usage.completions(
        start_time=START + 100, end_time=START + 3 * DAY
    )
    assert [(one.start_time, one.end_time) for one in page.data] == [
        (START + day * DAY, START + (day + 1) * DAY) for day in range(3)
    ]
    assert (page.has_more, page.next_page) == (False, None)
    first, second, third = results(page)
    assert first == [
        {
            "object": "organization.usage.completions.result",
            "num_model_requests": 3,
            "input_tokens": 112,
            "output_tokens": 10,
            "input_cached_tokens": 40,
            "input_uncached_tokens": 72,
            "input_audio_tokens": 0,
            "output_audio_tokens": 0,
        }
    ]
    assert second == []
    assert third[0]["output_tokens"] == 9


def test_by_hour_and_minute(client: OpenAI) -> None:
    usage = client.admin.organization.usage
    hours = usage.completions(start_time=START, end_time=START + 2 * HOUR, bucket_width="1h")
    assert [one[0]["input_tokens"] for one in results(hours)] == [105, 7]
    minutes = usage.completions(start_time=START, end_time=START + 120, bucket_width="1m")
    assert [len(one) for one in results(minutes)] == [1, 0]
    assert results(minutes)[0][0]["num_model_requests"] == 2


def test_groups(client: OpenAI) -> None:
    page = client.admin.organization.usage.completions(
        start_time=START,
        end_time=START + DAY,
        group_by=["project_id", "model", "batch", "api_key_id", "service_tier", "user_id"],
    )
    (found,) = results(page)
    names = ("project_id", "api_key_id", "model", "batch", "service_tier", "user_id")
    assert sorted(tuple(one[name] for name in names) for one in found) == [
        ("proj_a", "key_1", "big", False, "default", None),
        ("proj_a", "key_1", "small", False, "default", None),
        ("proj_b", "key_2", "big", True, "default", None),
    ]


@pytest.mark.parametrize(
    ("filter", "tokens"),
    [
        ({"models": ["small"]}, [7]),
        ({"models": ["small", "big"], "project_ids": ["proj_b"]}, [5]),
        ({"api_key_ids": ["key_1"]}, [107]),
        ({"batch": True}, [5]),
        ({"batch": False}, [107]),
        ({"project_ids": ["none"]}, []),
    ],
)
def test_filters(client: OpenAI, filter: Any, tokens: list[int]) -> None:
    page = client.admin.organization.usage.completions(
        start_time=START, end_time=START + DAY, **filter
    )
    assert [one["input_tokens"] for one in results(page)[0]] == tokens


def test_the_other_kinds(client: OpenAI) -> None:
    usage: Any = client.admin.organization.usage
    expected = {
        "embeddings": {"input_tokens": 1000, "num_model_requests": 1},
        "moderations": {"input_tokens": 12},
        "decisions": {"input_tokens": 8, "output_tokens": 1},
        "images": {"images": 3, "num_model_requests": 2},
        "audio_speeches": {"characters": 500},
        "audio_transcriptions": {"seconds": 90},
    }
    for kind, values in expected.items():
        page = getattr(usage, kind)(start_time=START, end_time=START + DAY)
        ((found,),) = results(page)
        assert found["object"] == f"organization.usage.{kind}.result"
        assert found | values == found, kind


def test_calls_of_tools(client: OpenAI) -> None:
    usage: Any = client.admin.organization.usage
    times = {"start_time": START, "end_time": START + DAY}
    for width in ("1d", "1m"):
        page = usage.file_search_calls(
            **times, bucket_width=width, limit=1, group_by=["vector_store_id"]
        )
        assert results(page) == [
            [
                {
                    "object": "organization.usage.file_searches.result",
                    "num_requests": 1,
                    "vector_store_id": None,
                }
            ]
        ]
    page = usage.web_search_calls(**times, group_by=["project_id", "model", "context_level"])
    assert results(page) == [
        [
            {
                "object": "organization.usage.web_searches.result",
                "num_requests": 2,
                "num_model_requests": 1,
                "project_id": "proj_a",
                "model": "big",
                "context_level": None,
            }
        ]
    ]
    for kind, arguments in (
        ("file_search_calls", {"vector_store_ids": ["vs_1"]}),
        ("file_search_calls", {"extra_query": {"models": "big"}}),
        ("web_search_calls", {"context_levels": ["low"]}),
        ("web_search_calls", {"user_ids": ["me"]}),
    ):
        with pytest.raises(BadRequestError) as error:
            getattr(usage, kind)(**times, **arguments)
        assert str(error.value.param) in (*arguments, "models")


def test_sessions_of_code(client: OpenAI) -> None:
    sessions = client.admin.organization.usage.code_interpreter_sessions
    times: Any = {"start_time": START, "end_time": START + DAY}
    named = {"object": "organization.usage.code_interpreter_sessions.result"}
    assert results(sessions(**times)) == [[{**named, "num_sessions": 3}]]
    assert results(sessions(**times, group_by=["project_id"])) == [
        [
            {**named, "project_id": None, "num_sessions": 1},
            {**named, "project_id": "proj_a", "num_sessions": 2},
        ]
    ]
    minutes = sessions(**times, bucket_width="1m", limit=1, project_ids=["proj_a"])
    assert results(minutes) == [[{**named, "num_sessions": 2}]]
    with pytest.raises(BadRequestError):
        sessions(**times, extra_query={"models": "big"})


def test_images_by_size_and_source(client: OpenAI) -> None:
    images = client.admin.organization.usage.images
    day: Any = {"start_time": START, "end_time": START + DAY}
    (found,) = results(images(**day, group_by=["size", "source"]))
    assert {(one["size"], one["source"], one["images"]) for one in found} == {
        ("64x64", "image.generation", 2),
        ("128x64", "image.edit", 1),
    }
    ((edits,),) = results(images(**day, sources=["image.edit"]))
    assert edits["images"] == 1
    ((small,),) = results(images(**day, sizes=["64x64", "9x9"]))  # type: ignore[list-item]
    assert small["images"] == 2
    assert results(images(**day, sources=["image.variation"])) == [[]]


def test_costs(client: OpenAI) -> None:
    costs = client.admin.organization.usage.costs
    day: Any = {"start_time": START, "end_time": START + DAY}
    ((whole,),) = results(costs(**day))
    assert whole["object"] == "organization.costs.result"
    assert whole["amount"] == {"value": pytest.approx(1.87), "currency": "usd"}
    (projects,) = results(costs(**day, group_by=["project_id"]))
    assert {one["project_id"]: one["amount"]["value"] for one in projects} == {
        "proj_a": pytest.approx(1.5),
        "proj_b": pytest.approx(0.05),
        None: pytest.approx(0.32),
    }
    (items,) = results(costs(**day, group_by=["line_item"]))
    found = {
        one["line_item"]: (one["amount"]["value"], one["quantity"], one["quantity_unit"])
        for one in items
    }
    assert found == {
        "big, input_tokens": (pytest.approx(0.65), 65, "tokens"),
        "big, cached_input_tokens": (pytest.approx(0.1), 40, "tokens"),
        "big, output_tokens": (pytest.approx(0.3), 10, "tokens"),
        "painter, images": (0.75, 3, "images"),
        "voice, characters": (0.01, 500, "characters"),
        "ear, audio": (0.02, 90.4, "duration_seconds"),
        "small, training_tokens": (0.04, 4000, "tokens"),
    }
    one_item = costs(**day, line_items=["big, output_tokens", "nothing"])
    assert [[one["amount"]["value"] for one in found] for found in results(one_item)] == [[0.3]]
    both = costs(**day, line_items=["painter, images"], group_by=["line_item", "project_id"])
    assert {(one["project_id"], one["quantity"]) for one in results(both)[0]} == {
        ("proj_a", 2),
        (None, 1),
    }


def test_pages(client: OpenAI) -> None:
    usage = client.admin.organization.usage
    arguments: Any = {"start_time": START, "end_time": START + 3 * DAY, "limit": 2}
    first = usage.completions(**arguments)
    assert (len(first.data), first.has_more) == (2, True)
    assert first.next_page is not None
    second = usage.completions(**arguments, page=first.next_page)
    assert [one.start_time for one in second.data] == [START + 2 * DAY]
    assert (second.has_more, second.next_page) == (False, None)


@pytest.mark.parametrize(
    ("arguments", "param"),
    [
        ({"start_time": -1}, "start_time"),
        ({"start_time": 10**18}, "start_time"),
        ({"end_time": START}, "end_time"),
        ({"limit": 0}, "limit"),
        ({"limit": 32}, "limit"),
        ({"limit": 1441, "bucket_width": "1m"}, "limit"),
        ({"bucket_width": "1w"}, "bucket_width"),
        ({"page": "page_7"}, "page"),
        ({"page": f"page_{'9' * 50}"}, "page"),
        ({"page": "x"}, "page"),
        ({"group_by": ["size"]}, "group_by[0]"),
        ({"user_ids": ["user_1"]}, "user_ids"),
        ({"project_ids": ["p"] * 101}, "project_ids"),
        ({"extra_query": {"sources": "image.edit"}}, "sources"),
    ],
)
def test_bad_parameters(echo_server: Running, arguments: Any, param: str) -> None:
    with admin(echo_server) as client, pytest.raises(BadRequestError) as error:
        client.admin.organization.usage.embeddings(**{"start_time": START, **arguments})
    assert error.value.param == param


def test_an_empty_server(tmp_path: Path) -> None:
    """Asking makes no database."""
    with ServerThread(echo_settings(data=tmp_path)) as running, admin(running) as client:
        usage: Any = client.admin.organization.usage
        for kind in ("completions", "vector_stores", "code_interpreter_sessions", "costs"):
            page = getattr(usage, kind)(start_time=int(time.time()) - DAY)
            assert len(page.data) == 2
            assert not any(results(page))
    assert not (tmp_path / "openedai.db").exists()


def test_what_was_used_just_now_is_there(tmp_path: Path) -> None:
    settings = echo_settings(data=tmp_path, usage=True)
    hello: Any = [{"role": "user", "content": "one two three"}]
    with ServerThread(settings) as running, admin(running) as client:
        for count in range(1, 4):
            client.chat.completions.create(model="echo", messages=hello)
            page = client.admin.organization.usage.completions(
                start_time=int(time.time()) - 60, group_by=["project_id"]
            )
            found = [one for bucket in results(page) for one in bucket]
            assert sum(one["num_model_requests"] for one in found) == count
            assert found[0]["project_id"] is None


def test_the_bytes_of_vector_stores(tmp_path: Path) -> None:
    with ServerThread(echo_settings(data=tmp_path)) as running, admin(running) as client:
        file = client.files.create(file=("a.txt", b"some text"), purpose="assistants").id
        store = client.vector_stores.create()
        client.vector_stores.files.create_and_poll(file, vector_store_id=store.id)
        size = client.vector_stores.retrieve(store.id).usage_bytes
        page = client.admin.organization.usage.vector_stores(
            start_time=int(time.time()) - 2 * DAY, end_time=int(time.time()) + 1
        )
        assert [[one["usage_bytes"] for one in bucket] for bucket in results(page)][-1] == [size]
        assert results(page)[0] == []


@given(
    start=st.integers(0, 10**9),
    length=st.integers(1, 40 * DAY),
    width=st.sampled_from(("1m", "1h", "1d")),
    limit=st.none() | st.integers(1, 31),
)
def test_pages_have_all_buckets_once(start: int, length: int, width: Any, limit: Any) -> None:
    length = length if width == "1d" else length // 24 // (60 if width == "1m" else 1) + 1
    seconds = {"1m": 60, "1h": HOUR, "1d": DAY}[width]
    seen: list[int] = []
    page: str | None = None
    while True:
        query = BucketQuery(
            start_time=start,
            end_time=start + length,
            bucket_width=width,
            limit=limit,
            page=page,
        )
        query.check()
        buckets = query.buckets()
        starts = [*buckets.starts()]
        assert 0 < len(starts) <= (limit or 60)
        seen += starts
        page = buckets.next
        if page is None:
            break
    assert seen == [*range(seen[0], seen[-1] + 1, seconds)]
    assert seen[0] <= start < seen[0] + seconds
    assert seen[-1] < start + length <= seen[-1] + seconds


def test_only_admin_keys_may_ask() -> None:
    settings = echo_settings(api_key="admin-000000", api_keys=("other-000000",))
    with ServerThread(settings) as running:
        for key, refused in (("admin-000000", False), ("other-000000", True)):
            with running.client(admin_api_key=key) as client:
                for kind in ("completions", "costs"):
                    ask = getattr(client.admin.organization.usage, kind)
                    if refused:
                        with pytest.raises(PermissionDeniedError):
                            ask(start_time=START)
                    else:
                        ask(start_time=START)
