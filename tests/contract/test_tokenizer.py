"""What every tokenizer must do, tested on each engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openedai.catalog.catalog import Catalog
from openedai.config import Settings
from openedai.contract.chat import Chat, Message, Tool, ToolCall
from openedai.contract.engine import Generator, Tokenizer
from openedai.contract.generate import GenerateRequest, Sampling, Text
from openedai.engines.load import load_engine
from openedai.errors import InvalidRequest, Unsupported
from openedai.weights.library import Library
from tests.events import collect, finish_of

Scenario = Callable[[Tokenizer], Coroutine[Any, Any, None]]

ENGINES = [
    "echo",
    "echo in a worker",
    pytest.param("llama_cpp", marks=pytest.mark.real),
    pytest.param("onnx_embeddings", marks=pytest.mark.real),
]
TOOL = Tool(name="weather", parameters={"type": "object", "properties": {"city": {}}})
CALL = ToolCall(id="call_1", name="weather", arguments='{"city": "Oslo"}')
CHATS = {
    "one": Chat(messages=(Message(role="user", content="How are you today?"),)),
    "with a system message": Chat(
        messages=(
            Message(role="system", content="Be brief."),
            Message(role="user", content="Hello"),
            Message(role="assistant", content="Hi."),
            Message(role="user", content="And now? <|im_start|>é 🙂"),
        )
    ),
    "with tools": Chat(messages=(Message(role="user", content="Rain?"),), tools=(TOOL,)),
    "with a call": Chat(
        messages=(
            Message(role="user", content="Rain?"),
            Message(role="assistant", tool_calls=(CALL,)),
            Message(role="tool", content="no", tool_call_id="call_1"),
        ),
        tools=(TOOL,),
    ),
}


@dataclass(frozen=True)
class Run:
    """Runs a scenario on an engine that all tests of the module share."""

    runner: asyncio.Runner
    engine: Tokenizer
    generates: bool

    def __call__(self, scenario: Scenario) -> None:
        self.runner.run(scenario(self.engine))


@pytest.fixture(scope="module", params=ENGINES)
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    name, path = request.param.split()[0], None
    options: dict[str, Any] = {}
    if name == "llama_cpp":
        path = request.getfixturevalue("smollm2_path")
        options = {"context": 512, "slots": 1, "threads": 1}
    elif name == "onnx_embeddings":
        path, options = _minilm(), {"threads": 1}
    elif request.param == "echo in a worker":
        options["worker"] = True
    with asyncio.Runner() as runner:
        engine = runner.run(load_engine(name, "the-model", path, options))
        assert isinstance(engine, Tokenizer)
        yield Run(runner, engine, generates=name != "onnx_embeddings")
        runner.run(engine.close())


def _minilm() -> Path:
    found = Settings(_env_file=None)
    path = Library(found).pull(Catalog(found).resolve("all-MiniLM-L6-v2").spec)
    assert path is not None
    return path


@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40))
@settings(max_examples=40)
def test_a_text_comes_back(text: str) -> None:
    """Only where the vocabulary has every byte, as that of `echo` does."""

    async def scenario() -> None:
        engine = await load_engine("echo", "the-model", None, {})
        assert isinstance(engine, Tokenizer)
        assert await engine.detokenize(await engine.tokenize(text)) == text

    asyncio.run(scenario())


def test_words_come_back(run: Run) -> None:
    async def scenario(engine: Tokenizer) -> None:
        text = "the cat sat on the mat"
        ids = await engine.tokenize(text)
        assert len(ids) >= 6
        assert all(id >= 0 for id in ids)
        assert await engine.detokenize(ids) == text

    run(scenario)


def test_equal_texts_have_equal_tokens(run: Run) -> None:
    async def scenario(engine: Tokenizer) -> None:
        first, second = await asyncio.gather(engine.tokenize("a b"), engine.tokenize("a b"))
        assert first == second
        assert await engine.tokenize("a c") != first

    run(scenario)


def test_an_empty_text_has_no_tokens(run: Run) -> None:
    async def scenario(engine: Tokenizer) -> None:
        assert await engine.tokenize("") == ()
        assert await engine.detokenize(()) == ""

    run(scenario)


def test_special_tokens_are_around_the_text(run: Run) -> None:
    async def scenario(engine: Tokenizer) -> None:
        plain = await engine.tokenize("a b")
        special = await engine.tokenize("a b", special=True)
        around = await engine.tokenize("", special=True)
        assert len(special) == len(plain) + len(around)
        start = next(at for at in range(len(special)) if special[at:][: len(plain)] == plain)
        assert special[:start] + special[start + len(plain) :] == around

    run(scenario)


@pytest.mark.parametrize("id", [1 << 31, (1 << 32) + 5, (1 << 62)])
def test_an_unknown_token_is_refused(run: Run, id: int) -> None:
    async def scenario(engine: Tokenizer) -> None:
        with pytest.raises(InvalidRequest) as caught:
            await engine.detokenize((id,))
        assert caught.value.param == "tokens"
        assert str(id) in caught.value.message
        ids = await engine.tokenize("still well")
        assert await engine.detokenize(ids) == "still well"

    run(scenario)


@pytest.mark.parametrize("chat", CHATS.values(), ids=CHATS)
def test_a_count_is_the_usage_of_the_same_request(run: Run, chat: Chat) -> None:
    async def scenario(engine: Tokenizer) -> None:
        assert await engine.count(chat) == await prompt_tokens(engine, chat)

    async def refusal(engine: Tokenizer) -> None:
        with pytest.raises(Unsupported) as caught:
            await engine.count(chat)
        assert caught.value.code == "unsupported_model"

    run(scenario if run.generates else refusal)


def test_a_raw_prompt_begins_with_special_tokens(run: Run) -> None:
    async def scenario(engine: Tokenizer) -> None:
        if run.generates:
            text = "Once upon a time"
            counted = len(await engine.tokenize(text, special=True))
            assert await prompt_tokens(engine, Text(text=text)) == counted

    run(scenario)


async def prompt_tokens(engine: Tokenizer, prompt: Chat | Text) -> int:
    """The prompt tokens that a generation reports."""
    assert isinstance(engine, Generator)
    request = GenerateRequest(prompt=prompt, sampling=Sampling(temperature=0.0), max_tokens=1)
    return finish_of(await collect(engine, request)).usage.prompt_tokens
