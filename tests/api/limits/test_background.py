"""Batches under limits: their lines wait, and leave room for clients."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError, RateLimitError

from openedai.config.limits import LimitRule, LimitSettings
from tests.api.limits.clock import ALICE, BOB, Clock, chat, client, left, limited
from tests.api.openai.batches.making import ended, line, lines_of, start
from tests.support import ServerThread, echo_settings, wait_until


def test_lines_of_batches_wait_and_leave_room_for_clients() -> None:
    clock = Clock()
    with limited(clock=clock, requests_per_minute=10) as server, client(server) as alice:
        batch = start(alice, [line(str(number)) for number in range(12)])
        wait_until(lambda: left(server, "requests") == 2)
        chat(alice)
        chat(alice)
        with pytest.raises(RateLimitError):
            chat(alice)
        while (found := alice.batches.retrieve(batch.id)).status != "completed":
            clock.skip(5)
            assert found.status != "failed"
        found = ended(alice, batch)
        assert found.request_counts is not None
        assert (found.request_counts.completed, found.request_counts.failed) == (12, 0)


def test_a_quota_that_is_used_up_fails_lines_at_once() -> None:
    with limited(requests_per_day=2) as server, client(server) as alice:
        batch = ended(alice, start(alice, [line(str(number)) for number in range(4)]))
        assert batch.request_counts is not None
        assert (batch.request_counts.completed, batch.request_counts.failed) == (2, 2)
        errors = lines_of(alice, batch.error_file_id)
        codes = {one["response"]["body"]["error"]["code"] for one in errors}
        assert codes == {"insufficient_quota"}


def test_files_of_a_project_have_a_limit_of_their_own(tmp_path: Path) -> None:
    project = sha256(ALICE.encode()).hexdigest()[:16]
    rules = (LimitRule(project=project, storage_bytes=1000),)
    settings = echo_settings(
        data=tmp_path, api_keys=(ALICE, BOB), limits=LimitSettings(rules=rules)
    )
    file: Any = ("a.txt", b"x" * 1500)
    with ServerThread(settings) as server, client(server) as alice, client(server, BOB) as bob:
        bob.files.create(file=file, purpose="user_data")
        with pytest.raises(BadRequestError) as caught:
            alice.files.create(file=file, purpose="user_data")
        assert caught.value.code == "storage_quota_exceeded"
