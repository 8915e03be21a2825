"""Programs that stand on the API, most of them on the real default models."""

from __future__ import annotations

import json
import os
from operator import eq
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from openai import OpenAI

from tests.cli.program import openedai
from tests.clients.environments import CLIENTS, environment, pins_of, search_path
from tests.clients.running import run
from tests.clients.tokenizer import write_tokenizer
from tests.support import Running

pytestmark = [pytest.mark.clients, pytest.mark.real, pytest.mark.timeout(1500)]

OLDER = "OPENAI_API_BASE"


def test_shell_gpt(echo_server: Running, tmp_path: Path) -> None:
    """It sets no limit, and a small model may fill its context: so the model is the fake one."""
    seen = run("shell-gpt", echo_server, tmp_path, address="API_BASE_URL")
    assert seen["streamed"] == seen["chat"] == "Say hello."
    assert seen["again"] == "Say it again."
    conversation = ("user: Say hello.", "assistant: Say hello.", "user: Say it again.")
    places = [seen["kept"].find(text) for text in conversation]
    assert -1 not in places
    assert places == sorted(places)


def test_llm(real_server: Running, tmp_path: Path) -> None:
    seen = run("llm", real_server, tmp_path)
    assert seen["streamed"] == seen["whole"] != ""
    assert seen["continued"]
    assert {name: type(value) for name, value in seen["schema"].items()} == {
        "city": str,
        "sunny": bool,
    }
    assert seen["logged"] == 4


def test_babyagi(real_server: Running, tmp_path: Path) -> None:
    seen = run("babyagi", real_server, tmp_path, address=OLDER)
    assert seen["answer"]
    assert seen["description"]
    assert seen["dimensions"] == 768
    assert seen["function"] == 2
    assert isinstance(seen["chat"], str)


def scored(client: OpenAI, question: str, choice: str) -> float:
    """The log probability of the choice after the question, as the API itself gives it."""
    answer = client.completions.create(
        model="smollm2-135m-instruct",
        prompt=question + choice,
        max_tokens=0,
        echo=True,
        logprobs=1,
    )
    found: Any = answer.choices[0].logprobs
    pairs = zip(found.text_offset, found.token_logprobs, strict=True)
    return sum(float(one) for offset, one in pairs if offset >= len(question))


def test_lm_eval(real_server: Running, smollm2_path: Path, tmp_path: Path) -> None:
    """Its scores are the sums of the log probabilities that the API itself gives.

    Both ask for one at a time: sums of requests that share a batch have differed by more than 0.1,
    because what a batch computes depends on its size.
    """
    seen = run(
        "lm-eval",
        real_server,
        tmp_path,
        TOKENIZER=str(write_tokenizer(smollm2_path, tmp_path / "tokenizer")),
        HF_HUB_OFFLINE="1",
        HF_DATASETS_OFFLINE="1",
    )
    lines = (CLIENTS / "lm-eval/tasks/colours.jsonl").read_text("utf-8").splitlines()
    questions = [json.loads(line) for line in lines]
    with real_server.client(timeout=300) as client:
        expected = [
            [scored(client, one["question"], choice) for choice in one["choices"]]
            for one in questions
        ]
    for way in ("by_tokens", "by_text"):
        scores = seen[way]["scores"]
        for given, right in zip(scores, expected, strict=True):
            assert given == pytest.approx(right, abs=0.01)
        best = [given.index(max(given)) for given in scores]
        right = [one["answer"] for one in questions]
        assert seen[way]["accuracy"] == pytest.approx(mean(map(eq, best, right)))
        assert len(seen[way]["texts"]) == len(questions)
        assert all(seen[way]["texts"])
    assert len(seen["chat"]) == len(questions)
    assert all(seen["chat"])


@pytest.mark.parametrize(
    ("name", "client", "arguments"),
    [
        ("llm", "llm", ("prompt", "Good morning.")),
        ("shell-gpt", "shell-gpt", ("--no-md", "Good morning.")),
        ("codex", "codex", ("exec", "--skip-git-repo-check", "Good morning.")),
    ],
)
def test_launched(
    name: str, client: str, arguments: tuple[str, ...], echo_server: Running, tmp_path: Path
) -> None:
    """`openedai launch` starts the real program, which then uses the server."""
    pins = pins_of(client)
    place = environment(pins) / "node_modules/.bin" if pins.suffix == ".json" else ""
    done = openedai(
        *("launch", name, "--model", "echo", "--url", echo_server.url, "--", *arguments),
        folder=tmp_path,
        PATH=f"{place}{os.pathsep}{search_path(pins)}",
        HOME=str(tmp_path),
        OPENAI_API_KEY="dummy",
        OPENEDAI_DATA=str(tmp_path / "data"),
    )
    assert done.returncode == 0, done.stderr
    assert "Good morning." in done.stdout
