"""Python libraries that stand on the API, on the real default models.

Answers that are compared are to a prompt after which one token is always far likelier than the
others: tokens that are about as likely swap places when the model's context has grown.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.clients.running import run
from tests.support import Running

pytestmark = [pytest.mark.clients, pytest.mark.real, pytest.mark.timeout(1500)]

OLDER = "OPENAI_API_BASE"
PLANTS = "Photosynthesis turns light into sugar in the leaves of plants."


def is_weather(value: dict[str, Any]) -> bool:
    """Whether it is what the schema of these programs allows, wise or not."""
    return {name: type(one) for name, one in value.items()} == {"city": str, "sunny": bool}


def test_langchain(real_server: Running, tmp_path: Path) -> None:
    seen = run("langchain", real_server, tmp_path)
    assert seen["chain"] == seen["stream"] != ""
    assert seen["tokens"] == sum(seen["stream_tokens"]) == 12
    assert seen["model"] == "smollm2-135m-instruct"
    assert is_weather(seen["structured"])
    assert seen["tool"] == "get_weather"
    assert seen["tool_result"].startswith("It rains in ")
    assert seen["tool_answer"]
    assert seen["completion"]
    assert seen["found"] == "The cat sleeps on the sofa."
    assert seen["dimensions"] == 768


def test_langchain_moderation(real_server: Running, tmp_path: Path) -> None:
    seen = run(
        "langchain", real_server, tmp_path, program="moderation", package="langchain-classic"
    )
    assert seen["good"]
    assert seen["bad"] == seen["later"] == seen["refused"]
    assert "violates" in seen["bad"]


def test_llama_index(real_server: Running, tmp_path: Path) -> None:
    seen = run("llama-index", real_server, tmp_path, address=OLDER)
    assert seen["complete"] == seen["chat"] == seen["stream"] != ""
    assert seen["tool"] == "get_weather"
    assert seen["tool_result"].startswith("It rains in ")
    assert is_weather(seen["structured"])
    assert seen["dimensions"] == [768, 768]
    assert seen["similarity"][0] > 2 * seen["similarity"][1]


def test_cohere(real_server: Running, tmp_path: Path) -> None:
    seen = run("cohere", real_server, tmp_path)
    assert seen["indices"][0] == 1
    assert len(seen["indices"]) == 2
    assert 1 > seen["scores"][0] > seen["scores"][1]
    assert "all-mpnet-base-v2" in seen["warnings"][0]
    assert seen["documents"][0] == PLANTS
    assert len(seen["documents"]) == 3
    assert seen["error"] == "documents"


def test_langchain_over_cohere(real_server: Running, tmp_path: Path) -> None:
    seen = run("langchain", real_server, tmp_path, program="reranking", package="langchain-cohere")
    assert seen["found"] == [PLANTS]
    assert 0 < seen["score"] < 1


def test_instructor(real_server: Running, tmp_path: Path) -> None:
    seen = run("instructor", real_server, tmp_path)
    for name in ("tools", "tools_strict", "json_schema", "partial"):
        assert is_weather(seen[name]), name
    assert seen["pieces"] > 1


def test_litellm(real_server: Running, tmp_path: Path) -> None:
    seen = run("litellm", real_server, tmp_path, address=OLDER)
    assert seen["chat"] == seen["stream"] == seen["async"] != ""
    assert seen["tokens"] == [12, 12]
    assert seen["tool"] == "get_weather"
    assert list(seen["tool_arguments"]) == ["city"]
    assert seen["tool_answer"]
    assert seen["completion"]
    assert seen["embeddings"] == [768, 768]
    assert seen["error"] == ["NotFoundError", 404]
