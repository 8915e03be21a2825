"""The old Python client, openai 0.28, as many older apps still use it: in its own environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import Running

VERSION = "0.28.1"
ROOT = Path(__file__).parents[2]

SCRIPT = """
import json, sys, openai

name = sys.argv[1]
seen = {}
seen["models"] = [model["id"] for model in openai.Model.list()["data"]]
seen["model"] = openai.Model.retrieve(name)["id"]
whole = openai.Completion.create(model=name, prompt="one two three", max_tokens=3)
seen["completion"] = whole["choices"][0]["text"]
chunks = openai.Completion.create(model=name, prompt="one two three", max_tokens=3, stream=True)
seen["completion_stream"] = "".join(chunk["choices"][0]["text"] for chunk in chunks)
messages = [{"role": "user", "content": "one two three"}]
whole = openai.ChatCompletion.create(model=name, messages=messages, max_tokens=3, temperature=0)
seen["chat"] = whole["choices"][0]["message"]["content"]
chunks = openai.ChatCompletion.create(
    model=name, messages=messages, max_tokens=3, temperature=0, stream=True
)
seen["chat_stream"] = "".join(
    chunk["choices"][0]["delta"].get("content", "") for chunk in chunks
)
vectors = openai.Embedding.create(model=sys.argv[2], input=["one", "two"])
seen["embeddings"] = [len(row["embedding"]) for row in vectors["data"]]
try:
    openai.Completion.create(model="nope", prompt="x")
except openai.error.InvalidRequestError as error:
    seen["error"] = [error.http_status, error.code, error.param]
print(json.dumps(seen))
"""


@pytest.fixture(scope="session")
def old_python() -> Path:
    """An environment with the old client, made once and kept beside the others."""
    folder = ROOT / f".venv-clients/openai-{VERSION}"
    python = folder / "bin/python"
    done = folder / ".installed"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        packages = (f"openai=={VERSION}", "numpy")  # its embeddings want numpy
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        done.touch()
    return python


def run(python: Path, server: Running, *models: str) -> dict[str, Any]:
    answer = subprocess.run(
        [python, "-W", "ignore", "-c", SCRIPT, *models],
        env={
            **os.environ,
            "OPENAI_API_KEY": "dummy",
            "OPENAI_API_BASE": f"{server.url}/v1",
            "PYTHONPATH": "",
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    seen: dict[str, Any] = json.loads(answer.stdout)
    return seen


def test_on_echo(old_python: Path, echo_server: Running) -> None:
    seen = run(old_python, echo_server, "echo", "echo")
    assert "echo" in seen["models"]
    assert seen["model"] == "echo"
    for name in ("completion", "completion_stream", "chat", "chat_stream"):
        assert seen[name] == "one two three"
    assert seen["embeddings"] == [8, 8]
    assert seen["error"] == [404, "model_not_found", "model"]


@pytest.mark.real
def test_on_the_default_models(old_python: Path, real_server: Running) -> None:
    seen = run(old_python, real_server, "gpt-3.5-turbo", "text-embedding-ada-002")
    assert seen["model"] == "smollm2-135m-instruct"
    for name in ("completion", "completion_stream"):
        assert seen[name]
    assert seen["chat"] == seen["chat_stream"] != ""
    assert seen["embeddings"] == [768, 768]
    assert seen["error"] == [404, "model_not_found", "model"]
