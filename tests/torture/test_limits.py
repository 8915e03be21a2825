"""A full disk, and no sockets left."""

from __future__ import annotations

import json
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
from openai import APIStatusError

from tests.process.serving import Process, serving, story_request
from tests.process.settings_files import ENDLESS, model_table
from tests.support import wait_until
from tests.torture.machine import (
    ECHO,
    assert_well,
    embedded,
    heard,
    painted,
    streamed,
    whole,
)

SMALL = 4096  # bytes
LARGE = 4 << 20
STORY = ECHO + model_table("story", **ENDLESS) + model_table("slow", delay=0.05, slots=2)


@pytest.fixture(name="server")
def _server(tmp_path: Path) -> Iterator[Process]:
    with serving(tmp_path, STORY, data=tmp_path / "data") as server:
        yield server


@contextmanager
def limited(server: Process, kind: int, value: int) -> Iterator[None]:
    """The server, and workers that it starts, have that limit meanwhile."""
    before = resource.prlimit(server.process.pid, kind)
    resource.prlimit(server.process.pid, kind, (value, before[1]))
    try:
        yield
    finally:
        resource.prlimit(server.process.pid, kind, before)


def test_a_full_disk_stops_only_what_needs_it(server: Process) -> None:
    well = {"echo": (whole, streamed, embedded, painted)}
    assert_well(server, well)
    with limited(server, resource.RLIMIT_FSIZE, SMALL), server.client() as client:
        with pytest.raises(APIStatusError) as upload:
            heard(client, "echo", LARGE)
        with pytest.raises(APIStatusError) as image:
            client.images.generate(
                model="echo", prompt="a fox", size="1024x1024", response_format="url"
            )
        assert upload.value.status_code == 503
        assert "no space for the files" in upload.value.message
        assert "no space for the images" in image.value.message
        assert_well(server, {"echo": (whole, streamed, embedded)})
    assert_well(server, well)
    with server.client() as client:
        heard(client, "echo", LARGE)
    assert server.folders() == []


def test_a_full_disk_keeps_no_part_of_a_file(server: Process, tmp_path: Path) -> None:
    """Neither its bytes nor its row; a blob whose row could not be written is left to the sweep."""
    with server.client() as client:
        kept = client.files.create(file=("a", b"kept"), purpose="user_data")
        for size in (1, LARGE):
            with (
                limited(server, resource.RLIMIT_FSIZE, SMALL),
                pytest.raises(APIStatusError) as full,
            ):
                client.files.create(file=("b", bytes(size)), purpose="user_data")
            assert full.value.status_code == 503
        assert [one.id for one in client.files.list()] == [kept.id]
        assert client.files.content(kept.id).read() == b"kept"
        client.files.create(file=("b", bytes(LARGE)), purpose="user_data")
        assert len(client.files.list().data) == 2
    blobs = [path for path in (tmp_path / "data/blobs").rglob("*") if path.is_file()]
    assert sorted(path.stat().st_size for path in blobs) == [1, 4, LARGE]


def test_a_full_disk_delays_a_batch(server: Process) -> None:
    """Nothing of it is lost, and no line is answered twice."""
    names = [f"line {number}" for number in range(60)]
    message = {"role": "user", "content": "one two three"}
    body = {"model": "slow", "messages": [message]}
    target = {"method": "POST", "url": "/v1/chat/completions", "body": body}
    lines = "\n".join(json.dumps({"custom_id": name, **target}) for name in names).encode()
    with server.client() as client:
        file = client.files.create(file=("in.jsonl", lines), purpose="batch")
        made = client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        wait_until(lambda: client.batches.retrieve(made.id).status == "in_progress")
        with limited(server, resource.RLIMIT_FSIZE, SMALL):
            wait_until(lambda: any(" waits " in line for line in server.log), 60)
            assert client.batches.retrieve(made.id).status in ("in_progress", "finalizing")
        wait_until(lambda: client.batches.retrieve(made.id).status == "completed", 60)
        output = client.files.content(client.batches.retrieve(made.id).output_file_id or "").text
    assert [json.loads(line)["custom_id"] for line in output.splitlines()] == names


def test_no_sockets_left(server: Process) -> None:
    """Running answers go on, new clients wait or are refused, and then all is well again."""
    assert_well(server, {"echo": (whole,), "story": (embedded,)})
    process = psutil.Process(server.process.pid)
    files = process.num_fds()
    port = int(server.url.rpartition(":")[2])
    with server.client() as client:
        stream = client.chat.completions.create(**story_request("story", 1))
        next(stream)
        with ExitStack() as connections, limited(server, resource.RLIMIT_NOFILE, files + 20):
            for _ in range(200):
                connection = socket.create_connection(("127.0.0.1", port), timeout=10)
                connections.enter_context(connection)
            for _ in range(50):
                next(stream)
        for _ in range(10):
            next(stream)
        stream.close()
    assert_well(server, {"echo": (whole, embedded)})
    wait_until(lambda: process.num_fds() <= files + 1, 60)
    assert len(server.log) < 1000


def test_no_files_left_for_a_worker(server: Process) -> None:
    process = psutil.Process(server.process.pid)
    with server.client() as client:
        client.models.list()
        with limited(server, resource.RLIMIT_NOFILE, process.num_fds()):
            with pytest.raises(APIStatusError) as caught:
                whole(client, "echo")
            assert caught.value.status_code == 503
            assert "too many open files" in caught.value.message
    assert_well(server, {"echo": (whole,)})
