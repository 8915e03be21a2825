"""Base URLs without `/v1`, which other servers accept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import OpenAI

from openedai.config import Settings
from tests.support import Running, ServerThread, echo_settings, fetch

MESSAGES: Any = [{"role": "user", "content": "one two"}]


def test_the_official_client_needs_no_version(echo_server: Running) -> None:
    with OpenAI(base_url=echo_server.url, api_key="dummy", max_retries=0) as client:
        answer = client.chat.completions.create(model="echo", messages=MESSAGES)
        assert answer.choices[0].message.content == "one two"
        with client.chat.completions.create(model="echo", messages=MESSAGES, stream=True) as stream:
            assert "".join(c.choices[0].delta.content or "" for c in stream) == "one two"
        assert client.completions.create(model="echo", prompt="a").choices[0].text == "a"
        assert client.embeddings.create(model="echo", input="a").data
        assert client.responses.create(model="echo", input="a").output_text == "a"
        assert "echo" in {model.id for model in client.models.list()}
        assert client.models.retrieve("owner/echo:latest").id == "owner/echo:latest"
        kept = client.files.create(file=("a.txt", b"a"), purpose="user_data")
        assert client.files.content(kept.id).text == "a"
        client.files.delete(kept.id)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/health", 200),
        ("/api/version", 200),
        ("/models", 200),
        ("/models/", 404),
        ("/v1/v1/models", 404),
        ("/other/models", 404),
        ("//models", 404),
        ("/modelsx", 404),
        ("/v1", 404),
    ],
)
def test_other_paths_are_what_they_are(echo_server: Running, path: str, status: int) -> None:
    assert fetch(f"{echo_server.url}{path}").status == status


def test_a_path_that_has_both_forms_is_the_one_that_was_requested(echo_server: Running) -> None:
    """`/rerank` is a URL of its own."""
    body = {"model": "echo", "query": "a", "documents": ["a"]}
    assert fetch(f"{echo_server.url}/rerank", "POST", json=body).status == 200


def test_keys_and_their_groups_apply() -> None:
    settings: Settings = echo_settings(api_key="sk-test")
    with ServerThread(settings) as running:
        refused = fetch(f"{running.url}/models")
        assert refused.status == 401
        assert "error" in json.loads(refused.body)
        for path, status in (("/models", 200), ("/organization/projects", 200), ("/nothing", 404)):
            headers = {"authorization": "Bearer sk-test"}
            assert fetch(f"{running.url}{path}", headers=headers).status == status


def test_below_a_root_path() -> None:
    with ServerThread(echo_settings(root_path="/models")) as running:
        for path in ("/models/models", "/models/v1/models", "/models", "/v1/models"):
            assert fetch(f"{running.url}{path}").status == 200
