"""`openedai usage`, run as a program."""

from __future__ import annotations

import asyncio
import csv
import json
import time
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from openedai.store.store import Store
from openedai.store.usage.records import UsageRecord, UsageRecords
from tests.cli.program import openedai
from tests.process.serving import serving
from tests.process.settings_files import model_table, settings_file
from tests.support import wait_until

DAY = 86400
FORMULA = "=HYPERLINK(1)"
NOW = int(time.time())
TOOLS = ("file_searches", "web_searches", "code_sessions", "vector_store_bytes")


def record(number: int, **values: Any) -> UsageRecord:
    defaults: dict[str, Any] = {
        "id": f"usage_{number}",
        "at": NOW,
        "request": "req_1",
        "kind": "completions",
        "model": "big",
        "route": "/v1/chat/completions",
        "status": 200,
    }
    return UsageRecord(**{**defaults, **values})


RECORDS = [
    record(1, prompt_tokens=1000, completion_tokens=50, key="key_1", output_cost=1.5),
    record(2, prompt_tokens=1, status=500, key="key_2", first_token_seconds=0.5),
    record(3, model=FORMULA, images=3, kind="images", route="/v1/images/generations"),
    record(4, model="[red]old[/]", at=NOW - 10 * DAY, prompt_tokens=7),
    record(5, at=NOW - 10 * DAY, kind="file_search_calls", first_token_seconds=9.0),
    record(6, at=NOW - 10 * DAY, kind="web_search_calls"),
    record(7, at=NOW - 10 * DAY, kind="code_interpreter_sessions"),
    record(8, at=NOW - 10 * DAY, kind="code_interpreter_sessions", model=""),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("usage")

    async def write() -> None:
        store = Store(folder / "data")
        await UsageRecords(store, 10.0**9, 1000).write(RECORDS)
        await store.close()

    asyncio.run(write())
    return folder


def usage(folder: Path, *arguments: str) -> str:
    ran = openedai("usage", *arguments, folder=folder, OPENEDAI_DATA=str(folder / "data"))
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_a_table_by_model(folder: Path) -> None:
    heading, *lines = usage(folder).splitlines()
    titles = "MODEL REQUESTS FAILED INPUT OUTPUT IMAGES FIRST TOKEN S COST $"
    assert heading.split() == titles.split()
    assert [line.split() for line in lines] == [
        [FORMULA, "1", "0", "0", "0", "3", "0.0000"],
        ["big", "2", "1", "1,001", "50", "0", "0.500", "1.5000"],
        ["all", "3", "1", "1,001", "50", "3", "1.5000"],
    ]


def test_json(folder: Path) -> None:
    found = json.loads(usage(folder, "--json", "--since", "4w", "--by", "key"))
    assert [(one["name"], one["requests"], one["input_tokens"]) for one in found] == [
        ("", 2, 7),
        ("key_1", 1, 1000),
        ("key_2", 1, 1),
    ]
    assert found[1]["cost"] == 1.5
    assert found[1]["first_token_seconds"] is None
    days = json.loads(usage(folder, "--json", "--since", "30d", "--by", "day"))
    assert len(days) == 2
    assert [one["requests"] for one in days] == [1, 3]
    ends = json.loads(usage(folder, "--json", "--by", "endpoint", "--keys", "key_1"))
    assert [(one["name"], one["requests"]) for one in ends] == [("/v1/chat/completions", 1)]


def test_tools_are_beside_the_requests(folder: Path) -> None:
    heading, *lines = usage(folder, "--since", "4w").splitlines()
    assert "FILE SEARCHES  WEB SEARCHES  CODE SESSIONS" in heading
    assert [line.split()[0] for line in lines] == ["(none)", FORMULA, "[red]old[/]", "big", "all"]
    assert lines[0].split()[1] == "0"
    assert lines[-1].split()[-3:] == ["1", "1", "2"]
    rows = csv.DictReader(StringIO(usage(folder, "--since", "4w", "--csv", "--by", "day")))
    first, second = rows
    assert [first[name] for name in TOOLS] == ["1", "1", "2", ""]
    assert [second[name] for name in TOOLS] == ["0", "0", "0", ""]
    assert (first["requests"], first["first_token_seconds"]) == ("1", "")


def test_csv_without_formulas(folder: Path) -> None:
    titles, *rows = csv.reader(StringIO(usage(folder, "--csv")))
    assert titles[:3] == ["model", "requests", "failed"]
    assert [row[0] for row in rows] == [f"'{FORMULA}", "big"]
    assert dict(zip(titles, rows[1], strict=True))["input_tokens"] == "1001"


def test_a_name_is_no_markup(folder: Path) -> None:
    assert "[red]old[/]" in usage(folder, "--since", "1970-01-01")


def test_without_any(tmp_path: Path) -> None:
    assert usage(tmp_path) == "No usage is recorded for this time.\n"
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--since", "soon"], "--since: write 24h, 7d, 4w or 2026-01-31, not 'soon'"),
        (["--csv", "--json"], "give either --csv or --json, not both"),
    ],
)
def test_what_is_not_valid(tmp_path: Path, arguments: list[str], message: str) -> None:
    ran = openedai("usage", *arguments, folder=tmp_path)
    assert (ran.returncode, ran.stderr) == (2, f"openedai: {message}\n")


def test_beside_a_running_server(tmp_path: Path) -> None:
    data = tmp_path / "data"
    config = settings_file(model_table("echo"))
    with serving(tmp_path, config, data=data, usage=True) as server, server.client() as client:
        client.embeddings.create(model="echo", input="one two three")
        wait_until(lambda: data.joinpath("openedai.db").exists())
        wait_until(lambda: len(json.loads(usage(tmp_path, "--json"))) == 1)
        file = client.files.create(file=("a.txt", b"some text"), purpose="assistants").id
        store = client.vector_stores.create(file_ids=[file]).id
        wait_until(lambda: client.vector_stores.retrieve(store).status == "completed")
        size = client.vector_stores.retrieve(store).usage_bytes
        (row,) = json.loads(usage(tmp_path, "--json", "--by", "project"))
        assert row["vector_store_bytes"] == size > 0
    (row,) = json.loads(usage(tmp_path, "--json", "--by", "endpoint"))[:1]
    assert (row["requests"], row["vector_store_bytes"]) == (1, None)
