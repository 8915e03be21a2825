"""Peers started from a table: a server that speaks HTTP, and a script that speaks lines."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from bench.figures import SUBJECT
from bench.load.client import LoadError, Target
from bench.peers.rounds import Outcome, rounds
from bench.peers.systems import HttpServer, Server, System, system
from bench.peers.table import Peer
from bench.scale import QUICK
from tests.support import ServerThread, echo_settings

TINY = replace(
    QUICK,
    rounds=1,
    streams=(1, 2),
    tokens=4,
    disturbed_streams=(2,),
    disturbed_tokens=4,
    prefix_words=20,
)

LINES = """
import json, sys
for line in sys.stdin:
    question = json.loads(line)
    words = sum(len(prompt.split()) for prompt in question["prompts"])
    answers = question["tokens"] * len(question["prompts"])
    counts = {"prompt_tokens": words, "completion_tokens": answers}
    print(json.dumps({**counts, "first": 0.5}), flush=True)
"""

CONFIG = """
builtin_models = false
chat_model = "default"
[[models]]
id = "default"
engine = "echo"
"""


def lines_peer(folder: Path, script: str) -> System:
    (folder / "peer.py").write_text(script, "utf-8")
    peer = Peer(
        name="lines",
        package="one",
        start="{env} {child}/peer.py {weights}",
        weights="served",
        speaks="lines",
    )
    return system(peer, {"env": sys.executable, "child": folder, "weights": "none"})


def http_peer(folder: Path, *, usage: bool = True) -> System:
    (folder / "openedai.toml").write_text(CONFIG, "utf-8")
    peer = Peer(
        name="http",
        package="one",
        start="{env} -m openedai serve --no-pull --config {weights} --port {port}",
        weights="served",
        usage=usage,
    )
    return system(peer, {"env": sys.executable, "weights": folder / "openedai.toml"})


@pytest.mark.parametrize("usage", [True, False])
def test_http_and_json_lines(tmp_path: Path, usage: bool) -> None:
    ours = replace(http_peer(tmp_path), name=SUBJECT)
    peers = (http_peer(tmp_path, usage=usage), lines_peer(tmp_path, LINES))
    outcome: Outcome = asyncio.run(rounds((ours, *peers), TINY, lambda what: None))
    assert outcome.skipped == {}
    assert outcome.figures[0].peers == ["http", "lines"]
    assert all(
        value > 0 for one in outcome.figures for ones in one.values.values() for value in ones
    )


def test_the_process_is_ended(tmp_path: Path) -> None:
    async def go(start: AbstractAsyncContextManager[Server]) -> int:
        async with start as server:
            assert psutil.pid_exists(server.pid)
            return server.pid

    for one in (http_peer(tmp_path), lines_peer(tmp_path, LINES)):
        assert not psutil.pid_exists(asyncio.run(go(one.start())))


def test_a_script_that_ends_shows_its_output(tmp_path: Path) -> None:
    async def go() -> None:
        async with lines_peer(tmp_path, "import no_such_library").start() as server:
            await server.generate(["Hello"], 1)

    with pytest.raises(LoadError, match=r"(?s)lines ended.*no_such_library"):
        asyncio.run(go())


def test_a_server_that_ends_shows_its_output(tmp_path: Path) -> None:
    peer = Peer(
        name="ends",
        package="one",
        start="{env} -c 'import no_such_library'",
        weights="served",
    )

    async def go() -> None:
        async with system(peer, {"env": sys.executable}).start():
            pass

    with pytest.raises(LoadError, match=r"(?s)ends did not start.*no_such_library"):
        asyncio.run(go())


def test_tokens_of_all_chats_are_added_up() -> None:
    with ServerThread(echo_settings()) as running:
        server = HttpServer(Target("echo", f"{running.url}/v1", "echo"), 1)
        batch = asyncio.run(server.generate(["One two three.", "Four five six."], 2))
    assert (batch.prompt_tokens, batch.completion_tokens) == (8, 4)
    assert batch.seconds > 0
