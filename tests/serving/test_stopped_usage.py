"""The usage of generations that were stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from openedai.contract.chat import Chat, Message
from openedai.contract.engine import Engine, Tokenizer
from openedai.contract.generate import (
    GenerateEvent,
    GenerateRequest,
    ReasoningDelta,
    Text,
    TextDelta,
    Tokens,
    ToolCallDelta,
    Usage,
)
from openedai.errors import Unsupported
from openedai.serving.outcome import Outcome
from openedai.serving.stopping import stopped_usage

ANSWER = (
    ReasoningDelta(text="h"),
    ReasoningDelta(text="m."),
    TextDelta(text="So"),
    TextDelta(text=": "),
    ToolCallDelta(index=0, id="c", name="f", arguments='{"a'),
    ToolCallDelta(index=0, arguments='": 1}'),
)


class Letters(Tokenizer):
    """Each letter is a token; a special one comes first. A chat has 100 tokens."""

    async def tokenize(self, text: str, *, special: bool = False) -> tuple[int, ...]:
        return tuple(map(ord, "^" * special + text))

    async def detokenize(self, ids: Sequence[int]) -> str:
        return "".join(map(chr, ids))

    async def count(self, chat: Chat) -> int:
        return 100


class NoVocabulary(Letters):
    async def tokenize(self, text: str, *, special: bool = False) -> tuple[int, ...]:
        raise Unsupported("It cannot.")


def usage(
    engine: Engine, prompt: Chat | Text | Tokens, *events: GenerateEvent, echo: bool = False
) -> tuple[int, int, int]:
    """The tokens of the prompt, of the completion, and those of its reasoning."""
    outcome = Outcome()
    for event in events:
        outcome.add(event)
    request = GenerateRequest(prompt=prompt, echo=echo)
    found = asyncio.run(stopped_usage(engine, request, outcome))
    assert found == Usage(
        prompt_tokens=found.prompt_tokens,
        completion_tokens=found.completion_tokens,
        reasoning_tokens=found.reasoning_tokens,
    )
    return found.prompt_tokens, found.completion_tokens, found.reasoning_tokens


def test_texts_are_tokenised() -> None:
    answer = len("So: " + "f" + '{"a": 1}')
    assert usage(Letters(), Text(text="ab"), *ANSWER) == (3, answer + 3, 3)


@pytest.mark.parametrize(
    ("prompt", "tokens"),
    [
        (Text(text=""), 1),
        (Tokens(ids=(1, 2)), 2),
        (Chat(messages=(Message(role="user", content="hi"),)), 100),
    ],
)
def test_prompts(prompt: Chat | Text | Tokens, tokens: int) -> None:
    assert usage(Letters(), prompt) == (tokens, 0, 0)


@pytest.mark.parametrize("engine", [Engine(), NoVocabulary()])
def test_without_a_tokenizer_each_delta_is_a_token(engine: Engine) -> None:
    assert usage(engine, Tokens(ids=(1, 2, 3)), *ANSWER) == (3, 4 + 2, 2)
    assert usage(engine, Text(text="ab")) == (0, 0, 0)


def test_an_echoed_prompt_is_not_part_of_the_completion() -> None:
    texts = (TextDelta(text="ab"), TextDelta(text="cde"))
    assert usage(Letters(), Text(text="ab"), *texts, echo=True) == (3, 3, 0)
    assert usage(Engine(), Text(text="ab"), *texts, echo=True) == (0, 1, 0)
