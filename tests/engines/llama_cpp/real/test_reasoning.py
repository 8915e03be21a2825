"""A model that reasons: SmolLM2 with a chat template that opens its reasoning."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from openedai.contract.chat import Chat, Message
from openedai.contract.generate import (
    Constraint,
    Finish,
    GenerateEvent,
    GenerateRequest,
    JsonSchema,
    ReasoningDelta,
    Sampling,
    TextDelta,
)
from openedai.engines.llama_cpp.engine import LlamaCpp
from openedai.errors import Unsupported
from tests.events import collect, text_of

pytestmark = pytest.mark.real

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}<|im_start|>assistant\n{% if enable_thinking %}<think>\n{% endif %}"
)
NUMBER = JsonSchema(
    schema={
        "type": "object",
        "properties": {"number": {"type": "integer"}},
        "required": ["number"],
        "additionalProperties": False,
    }
)

Ask = Callable[[GenerateRequest], list[GenerateEvent]]


@pytest.fixture(scope="module")
def engines(smollm2_path: Path) -> Iterator[Callable[[str | None], tuple[LlamaCpp, Ask]]]:
    """Gives an engine with a template, and a function that runs requests on it."""
    with asyncio.Runner() as runner:
        loaded: dict[str | None, LlamaCpp] = {}

        def engine(template: str | None) -> tuple[LlamaCpp, Ask]:
            if template not in loaded:
                options = {"slots": 1, "context": 512, "chat_template": template}
                loaded[template] = runner.run(LlamaCpp.load("m", smollm2_path, options))
            return loaded[template], lambda request: runner.run(collect(loaded[template], request))

        yield engine
        for one in loaded.values():
            runner.run(one.close())


def request(
    effort: str | None,
    bias: tuple[int, ...] = (),
    constraint: Constraint | None = None,
    *,
    optional: bool = False,
) -> GenerateRequest:
    """Tokens in `bias` are generated as soon as they are allowed."""
    return GenerateRequest(
        prompt=Chat(
            messages=(Message(role="user", content="Say a number."),),
            reasoning_effort=effort,
            effort_optional=optional,
        ),
        sampling=Sampling(temperature=0.0, logit_bias=tuple((token, 40.0) for token in bias)),
        max_tokens=40,
        constraint=constraint,
    )


def test_reasoning_ends_at_the_limit(
    engines: Callable[[str | None], tuple[LlamaCpp, Ask]],
) -> None:
    *deltas, finish = engines(TEMPLATE)[1](request("high"))
    assert all(isinstance(delta, ReasoningDelta) for delta in deltas)
    assert isinstance(finish, Finish)
    assert finish.reason == "length"
    assert finish.usage.reasoning_tokens == finish.usage.completion_tokens == 40


def test_without_effort_there_is_no_reasoning(
    engines: Callable[[str | None], tuple[LlamaCpp, Ask]],
) -> None:
    *deltas, finish = engines(TEMPLATE)[1](request("none"))
    assert all(isinstance(delta, TextDelta) for delta in deltas)
    assert isinstance(finish, Finish)
    assert finish.usage.reasoning_tokens == 0


def test_a_schema_holds_after_the_reasoning(
    engines: Callable[[str | None], tuple[LlamaCpp, Ask]], smollm2_path: Path
) -> None:
    engine, ask = engines(TEMPLATE)
    with asyncio.Runner() as runner:
        closing = runner.run(engine.tokenize("</think>"))
    *deltas, finish = ask(request("high", bias=tuple(set(closing)), constraint=NUMBER))
    text = text_of(deltas)
    assert text.startswith("{")
    assert "think" not in text
    assert isinstance(finish, Finish)
    assert len(closing) <= finish.usage.reasoning_tokens < finish.usage.completion_tokens


def test_an_effort_that_the_template_does_not_support(
    engines: Callable[[str | None], tuple[LlamaCpp, Ask]],
) -> None:
    ask = engines(None)[1]
    with pytest.raises(Unsupported) as caught:
        ask(request("low"))
    assert caught.value.param == "reasoning_effort"
    assert isinstance(ask(request("none"))[-1], Finish)
    assert isinstance(ask(request("low", optional=True))[-1], Finish)
