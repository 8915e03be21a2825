"""Limits of callers over HTTP, by the official clients."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from anthropic import RateLimitError as AnthropicRateLimitError
from openai import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    RateLimitError,
)
from websockets.sync.client import connect

from openedai.config.limits import LimitRule, LimitSettings
from tests.api.limits.clock import (
    ALICE,
    BOB,
    MESSAGES,
    Clock,
    chat,
    client,
    left,
    limited,
)
from tests.support import (
    Running,
    ServerThread,
    echo_settings,
    fetch,
    occupancy,
    wait_until,
)


def refusal(error: APIStatusError) -> dict[str, Any]:
    found: dict[str, Any] = error.response.json()["error"]
    return found


def seconds(shown: str) -> float:
    """Of a duration such as `1m0s`, which passes until the answer is written."""
    minutes, _, rest = shown.rpartition("m")
    return int(minutes or 0) * 60 + float(rest.removesuffix("s"))


def test_requests_of_a_minute() -> None:
    clock = Clock()
    with limited(clock=clock, requests_per_minute=2) as server, client(server) as alice:
        began = time.monotonic()
        first = alice.chat.completions.with_raw_response.create(model="echo", messages=MESSAGES)
        assert first.headers["x-ratelimit-limit-requests"] == "2"
        assert first.headers["x-ratelimit-remaining-requests"] == "1"
        passed = time.monotonic() - began
        assert 59.999 - passed < seconds(first.headers["x-ratelimit-reset-requests"]) <= 60
        assert "x-ratelimit-limit-tokens" not in first.headers
        clock.skip(40)
        chat(alice)
        began = time.monotonic()
        with pytest.raises(RateLimitError) as caught:
            chat(alice)
        passed = time.monotonic() - began
        error, headers = refusal(caught.value), caught.value.response.headers
        assert headers["retry-after-ms"] == "20000"
        assert headers["retry-after"] == "20"
        assert headers["x-ratelimit-remaining-requests"] == "0"
        assert 59.999 - passed < seconds(headers["x-ratelimit-reset-requests"]) <= 60
        assert error == {
            "message": "Rate limit reached for echo on requests per min (RPM): Limit 2, Used 2, "
            "Requested 1. Please try again in 20s.",
            "type": "requests",
            "param": None,
            "code": "rate_limit_exceeded",
        }
        with client(server, BOB) as bob:
            chat(bob)
        chat(alice, "owner/echo:latest")  # models have counts of their own
        clock.skip(20)
        chat(alice)


def test_the_official_client_tries_again_by_itself() -> None:
    clock = Clock()
    with (
        limited(clock=clock, requests_per_minute=1) as server,
        client(server, max_retries=1) as alice,
    ):
        chat(alice)
        clock.skip(59.5)
        began = time.monotonic()
        clock.run()
        chat(alice)
        assert 0.5 <= time.monotonic() - began < 5


def test_it_does_not_try_what_cannot_succeed() -> None:
    with (
        limited(tokens_per_minute=50, requests_per_day=1) as server,
        client(server, max_retries=5, timeout=20) as alice,
    ):
        with pytest.raises(RateLimitError) as caught:
            chat(alice, max_tokens=100)
        error = refusal(caught.value)
        assert (error["type"], error["code"]) == ("tokens", "rate_limit_exceeded")
        assert error["message"].startswith("Request too large for echo on tokens per min (TPM)")
        assert "retry-after" not in caught.value.response.headers
        chat(alice)
        with pytest.raises(RateLimitError) as caught:
            chat(alice)
        error = refusal(caught.value)
        assert (error["type"], error["code"]) == ("insufficient_quota", "insufficient_quota")
        assert "requests per day (RPD): Limit 1, Used 1, Requested 1" in error["message"]
        assert "It is renewed in 12h0m0s" in error["message"]
        assert int(caught.value.response.headers["retry-after"]) <= 12 * 3600


def test_tokens_are_what_was_used_in_the_end() -> None:
    with limited(tokens_per_minute=1000) as server, client(server) as alice:
        raw = alice.chat.completions.with_raw_response.create(model="echo", messages=MESSAGES)
        assert raw.headers["x-ratelimit-limit-tokens"] == "1000"
        used = raw.parse().usage
        assert used is not None
        assert int(raw.headers["x-ratelimit-remaining-tokens"]) == 1000 - used.total_tokens
        assert left(server, "tokens") == 1000 - used.total_tokens
        chunks = chat(alice, stream=True, stream_options={"include_usage": True})
        usage = [chunk.usage for chunk in chunks][-1]
        wait_until(lambda: left(server, "tokens") == 1000 - used.total_tokens - usage.total_tokens)


def test_choices_read_their_prompt_once() -> None:
    with limited(tokens_per_minute=1000) as server, client(server) as alice:
        usage = chat(alice, n=3).usage
        assert usage.total_tokens > 0
        assert left(server, "tokens") <= 1000 - usage.total_tokens


def test_a_client_that_leaves_is_charged_what_was_computed() -> None:
    with limited(tokens_per_minute=100_000, requests_at_once=1) as server, client(server) as alice:
        stream = chat(alice, "slow", stream=True, max_tokens=5000)
        for _ in range(6):
            next(stream)
        assert left(server, "tokens", "slow") <= 95_000  # what may be needed is reserved
        with pytest.raises(RateLimitError) as caught:
            chat(alice, "slow")
        assert "requests at once: Limit 1, Used 1, Requested 1" in refusal(caught.value)["message"]
        stream.close()
        wait_until(lambda: left(server, "tokens", "slow") > 95_000)
        assert left(server, "tokens", "slow") <= 100_000 - 5
        wait_until(lambda: occupancy(server, "slow") == (0, 0))
        next(again := chat(alice, "slow", stream=True))
        again.close()


def test_what_never_ran_costs_nothing() -> None:
    with limited(requests_per_minute=3, tokens_per_minute=10_000) as server:
        with client(server) as alice:
            with pytest.raises(BadRequestError):
                chat(alice, temperature=9)
            with pytest.raises(NotFoundError):
                chat(alice, "nothing")
            with pytest.raises(APIStatusError):
                chat(alice, "unloadable")
            for model in ("echo", "unloadable"):
                assert left(server, "requests", model) == 3
                assert left(server, "tokens", model) == 10_000
            with pytest.raises(APIStatusError):
                chat(alice, "fails-first")
            assert left(server, "requests", "fails-first") == 2
            assert left(server, "tokens", "fails-first") == 10_000
        with client(server, "sk-nobody-0123456789") as nobody, pytest.raises(AuthenticationError):
            chat(nobody)


def test_the_place_of_a_crashed_request_is_free() -> None:
    with limited(requests_at_once=1) as server, client(server) as alice:
        for _ in range(3):
            with pytest.raises(APIStatusError, match="stopped unexpectedly"):
                chat(alice, "crashes")


QUESTION = {"instructions": "Is it?", "type": "predicate"}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": MESSAGES},
    "/v1/completions": {"prompt": "one two"},
    "/v1/engines/echo/completions": {"prompt": "one two"},
    "/v1/responses": {"input": "one two", "store": False},
    "/v1/embeddings": {"input": "one two"},
    "/v1/moderations": {"input": "one two"},
    "/v1/edits": {"input": "one", "instruction": "two"},
    "/v1/audio/speech": {"input": "one two", "voice": "alloy"},
    "/v1/images/generations": {"prompt": "one", "size": "64x64"},
    "/v1/rerank": {"query": "one", "documents": ["one", "two"]},
    "/v1/decisions": {"input": "one", "questions": [QUESTION]},
    "/openai/deployments/echo/chat/completions?api-version=2024-10-21": {"messages": MESSAGES},
    "/openai/v1/chat/completions": {"messages": MESSAGES},
    "/v1/messages": {"messages": MESSAGES, "max_tokens": 9},
    "/api/chat": {"messages": MESSAGES, "stream": False},
    "/api/generate": {"prompt": "one", "stream": False},
    "/api/embed": {"input": "one"},
}


@pytest.mark.parametrize("path", BODIES)
def test_requests_of_every_kind_are_counted(shared: Running, path: str) -> None:
    """Each has a caller of its own: the model's counts are those of a project."""
    key = shared.app.state.keys[path]
    body = BODIES[path] if "/echo/" in path else {"model": "echo", **BODIES[path]}
    headers = {"authorization": f"Bearer {key}", "api-key": key}

    def send() -> Any:
        return fetch(f"{shared.url}{path}", "POST", json=body, headers=headers)

    first = send()
    assert first.status == 200, first.body
    refused = send()
    assert refused.status == 429
    assert b"Rate limit reached for echo on requests per min (RPM)" in refused.body
    assert 50_000 < int(refused.headers["retry-after-ms"]) <= 60_000


@pytest.fixture(scope="module")
def shared() -> Any:
    keys = {path: f"sk-of-{number:02}-0123456789" for number, path in enumerate(BODIES)}
    settings = echo_settings(
        api_keys=tuple(keys.values()), limits=LimitSettings(requests_per_minute=1)
    )
    with ServerThread(settings) as server:
        server.app.state.keys = keys
        yield server


def test_images_and_audio() -> None:
    with (
        limited(images_per_minute=3, audio_megabytes_per_minute=1) as server,
        client(server) as alice,
    ):
        alice.images.generate(model="echo", prompt="one", n=2, size="64x64")
        with pytest.raises(RateLimitError) as caught:
            alice.images.generate(model="echo", prompt="one", n=2, size="64x64")
        message = refusal(caught.value)["message"]
        assert "images per min (IPM): Limit 3, Used 2, Requested 2" in message
        alice.images.generate(model="echo", prompt="one", n=1, size="64x64")
        sound = ("a.wav", b"RIFF" + bytes(600_000))
        alice.audio.transcriptions.create(model="echo", file=sound)
        with pytest.raises(RateLimitError) as caught:
            alice.audio.transcriptions.create(model="echo", file=sound)
        assert "bytes of audio per min: Limit 1000000" in refusal(caught.value)["message"]


def test_anthropic_names_of_the_headers() -> None:
    with (
        limited(requests_per_minute=1, tokens_per_minute=1000) as server,
        server.anthropic_client(api_key=ALICE) as alice,
    ):
        answer = alice.messages.with_raw_response.create(
            model="echo", max_tokens=9, messages=MESSAGES
        )
        assert answer.headers["anthropic-ratelimit-requests-limit"] == "1"
        assert answer.headers["anthropic-ratelimit-requests-remaining"] == "0"
        assert answer.headers["anthropic-ratelimit-tokens-limit"] == "1000"
        reset = datetime.fromisoformat(answer.headers["anthropic-ratelimit-requests-reset"])
        assert 50 < (reset - datetime.now(UTC)).total_seconds() <= 60.01
        assert not [name for name in answer.headers if name.startswith("x-ratelimit")]
        with pytest.raises(AnthropicRateLimitError) as caught:
            alice.messages.create(model="echo", max_tokens=9, messages=MESSAGES)
        assert caught.value.response.json()["error"]["type"] == "rate_limit_error"
        assert caught.value.response.headers["anthropic-ratelimit-requests-remaining"] == "0"


def test_a_bad_request_of_a_limited_caller_tells_the_limits() -> None:
    with limited(requests_per_minute=7) as server, client(server) as alice:
        with pytest.raises(BadRequestError) as caught:
            chat(alice, logit_bias={"x": 1})
        assert caught.value.response.headers["x-ratelimit-remaining-requests"] == "7"


def test_messages_on_a_socket_are_requests() -> None:
    with limited(requests_per_minute=2) as server:
        with connect(
            f"ws://127.0.0.1:{server.port}/v1/responses",
            additional_headers={"authorization": f"Bearer {ALICE}"},
        ) as socket:
            ends = []
            for _ in range(3):
                body = {"type": "response.create", "model": "echo", "input": "one", "store": False}
                socket.send(json.dumps(body))
                while True:
                    event = json.loads(socket.recv(20))
                    if event["type"] in ("response.completed", "error"):
                        break
                ends.append(event)
        assert [one["type"] for one in ends] == ["response.completed"] * 2 + ["error"]
        assert ends[-1]["status"] == 429
        assert ends[-1]["error"]["code"] == "rate_limit_exceeded"


def test_parts_of_a_request_count_for_their_own_models() -> None:
    rules = (LimitRule(model="echo", requests_per_minute=1),)
    with limited(rules=rules) as server, client(server) as alice:
        options = {"moderation": {"model": "echo"}}
        chat(alice, "owner/echo:latest", extra_body=options)
        assert left(server, "requests") == 0
        with pytest.raises(RateLimitError):
            chat(alice)
        chat(alice, "owner/echo:latest")


def test_day_counts_survive_a_restart(tmp_path: Any) -> None:
    clock = Clock()
    settings = echo_settings(
        data=tmp_path,
        api_keys=(ALICE,),
        limits=LimitSettings(requests_per_day=3, tokens_per_month=99),
    )
    for _ in range(2):
        with ServerThread(settings, limits_clock=clock) as server, client(server) as alice:
            chat(alice)
    with ServerThread(settings, limits_clock=clock) as server, client(server) as alice:
        chat(alice)
        assert left(server, "requests") == 0
        with pytest.raises(RateLimitError, match="requests per day"):
            chat(alice)
        clock.skip(12 * 3600)
        chat(alice)


def test_no_limit_no_headers(echo_server: Running) -> None:
    with echo_server.client() as caller:
        raw = caller.chat.completions.with_raw_response.create(model="echo", messages=MESSAGES)
        names = [name for name in raw.headers if re.search("ratelimit.*tokens", name)]
        assert names == []
        assert int(raw.headers["x-ratelimit-limit-requests"]) > 256
