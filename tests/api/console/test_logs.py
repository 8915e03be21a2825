"""The lines of the log: the last ones, then new ones, and no prompts."""

from __future__ import annotations

import http.client
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from openedai.serving.monitoring.recent_logs import RecentLogs
from tests.support import Running, ServerThread, echo_settings, fetch

SECRET = "a very private prompt"


@pytest.fixture
def server() -> Iterator[Running]:
    logger = logging.getLogger("openedai")
    level = logger.level
    logger.setLevel("INFO")
    with ServerThread(echo_settings(log_prompts=True)) as running:
        yield running
    logger.setLevel(level)


@contextmanager
def lines(server: Running) -> Iterator[Iterator[dict[str, Any]]]:
    """What `GET /console/api/logs` sends."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("GET", "/console/api/logs")
    response = connection.getresponse()
    assert response.status == 200
    groups = (json.loads(line[6:]) for line in response if line.startswith(b"data: "))
    try:
        yield (line for group in groups for line in group)
    finally:
        response.close()
        connection.close()


def test_lines_of_before_and_after(server: Running) -> None:
    body = {"model": "echo", "messages": [{"role": "user", "content": SECRET}]}
    fetch(f"{server.url}/v1/chat/completions", "POST", json=body)
    with lines(server) as seen:
        before = next(line for line in seen if "/v1/chat/completions" in line["message"])
        fetch(f"{server.url}/v1/nothing")
        after = next(line for line in seen if "/v1/nothing" in line["message"])
    assert before["level"] == "info"
    assert before["message"] == "POST /v1/chat/completions 200"
    assert before["fields"]["model"] == "echo"
    assert before["fields"]["request_id"].startswith("req_")
    assert SECRET not in json.dumps(before)
    assert after["number"] > before["number"]


def test_only_the_last_lines_are_kept_and_exceptions_without_their_message() -> None:
    recent = RecentLogs()
    recent.attach()
    try:
        log = logging.getLogger("openedai.test")
        for number in range(1100):
            log.warning("line %d", number, extra={"body": SECRET})
        try:
            raise KeyError(SECRET)
        except KeyError:
            log.exception("it failed")
        kept = recent.after(0)
    finally:
        recent.detach()
    assert len(kept) == 1000
    assert kept[-1].number == 1101
    assert recent.after(kept[-2].number) == [kept[-1]]
    assert kept[-1].trace is not None
    assert kept[-1].trace.endswith("KeyError")
    assert "test_logs.py" in kept[-1].trace
    assert all(SECRET not in str(line) for line in kept)
    log.warning("afterwards")
    assert recent.after(kept[-1].number) == []
