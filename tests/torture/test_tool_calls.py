"""kill -9 while the server runs tools: no call is made twice, and each response ends."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from openedai.config import ModelSpec
from tests.api.openai.responses.served.mcp_servers import call
from tests.api.openai.responses.served.search_engine import search_engine
from tests.support import ServerThread, echo_settings, wait_until

pytestmark = pytest.mark.torture

ROOT = Path(__file__).parents[2]
PROGRAM = "import sys; from tests.torture.test_tool_calls import serve; serve(*sys.argv[1:])"
COUNT = 48  # more than run at once
SLOW = ModelSpec(id="slow", engine="echo", options={"delay": 0.02, "slots": 4})


def serve(folder: str, url: str) -> None:
    """A server that is there until it is killed."""
    settings = echo_settings(
        data=Path(folder),
        models=(SLOW,),
        chat_model="slow",
        embedding_model="slow",
        web_search="searxng",
        web_search_url=url,
    )
    with ServerThread(settings, lease=1.0) as running:
        print(running.port, flush=True)
        sys.stdin.read()


@contextmanager
def serving(folder: Path, url: str) -> Iterator[tuple[OpenAI, subprocess.Popen[str]]]:
    command = [sys.executable, "-c", PROGRAM, str(folder), url]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as server:
        try:
            assert server.stdout is not None
            base = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
            with OpenAI(base_url=base, api_key="dummy", max_retries=0) as client:
                yield client, server
        finally:
            server.kill()


@pytest.mark.parametrize("made", [1, 7, 15])
def test_no_call_is_made_twice(tmp_path: Path, made: int) -> None:
    """The server is killed when so many calls were made: others wait, run, or are answered."""
    with search_engine() as engine:
        engine.found = [("https://a.example/", "A", "found")]
        with serving(tmp_path, engine.url) as (client, server):
            ids = {}
            for number in range(COUNT):
                body: Any = {"tools": [{"type": "web_search"}], "background": True}
                asked = call("web_search", query=f"q{number}")
                ids[number] = client.responses.create(model="slow", input=asked, **body).id
            wait_until(lambda: len(engine.queries) >= made)
            server.kill()
            server.wait()
        with serving(tmp_path, engine.url) as (client, _):
            ends = {}
            for number, id in ids.items():
                wait_until(lambda id=id: ended(client, id), seconds=60)  # type: ignore[misc]
                ends[number] = client.responses.retrieve(id)
    calls = Counter(query["q"] for query in engine.queries)
    assert max(calls.values()) == 1, calls
    for number, response in ends.items():
        if response.status == "completed":
            assert calls[f"q{number}"] == 1, number
        else:
            assert response.status == "failed"
            assert response.error is not None
            assert response.error.code == "server_error"
    statuses = Counter(response.status for response in ends.values())
    assert statuses["completed"] > 0, statuses


def ended(client: OpenAI, id: str) -> bool:
    return client.responses.retrieve(id).status not in ("queued", "in_progress")
