"""The parameter `moderation` of chat completions."""

from __future__ import annotations

from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from openai.types.chat.chat_completion import Moderation

from openedai.config import ModelSpec
from tests.support import ServerThread, echo_settings

HATE: Any = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "say hate"}]
OPTIONS: Any = {"model": "omni-moderation-latest"}


def flagged(side: Any) -> list[list[str]]:
    assert side.type == "moderation_results"
    assert {one.type for one in side.results} == {"moderation_result"}
    return [[name for name, value in one.categories.items() if value] for one in side.results]


def test_scores_of_the_conversation_and_of_each_choice(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="echo", messages=HATE, n=2, moderation=OPTIONS)
    assert answer.moderation is not None
    assert flagged(answer.moderation.input) == [["hate"]]
    assert flagged(answer.moderation.output) == [["hate"], ["hate"]]
    assert Moderation.model_validate(answer.moderation.model_dump(), strict=True)


def test_nothing_without_the_parameter(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="echo", messages=HATE)
    assert "moderation" not in answer.model_dump(exclude_unset=True)


def test_the_answer_has_its_own_scores(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="calls", messages=HATE, moderation=OPTIONS)
    assert answer.moderation is not None
    assert flagged(answer.moderation.input) == [["hate"]]
    assert flagged(answer.moderation.output) == [[]]


def test_the_last_chunk_has_the_scores(client: OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model="echo",
            messages=HATE,
            moderation=OPTIONS,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert [chunk.moderation is None for chunk in chunks[:-1]] == [True] * (len(chunks) - 1)
    assert chunks[-1].choices == []
    assert chunks[-1].moderation is not None
    assert flagged(chunks[-1].moderation.output) == [["hate"]]
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "say hate"


def test_modes(client: OpenAI) -> None:
    policy: Any = {"input": {"mode": "score"}, "output": None}
    answer = client.chat.completions.create(
        model="echo", messages=HATE, moderation=OPTIONS | {"policy": policy}
    )
    assert answer.moderation is not None
    policy = {"output": {"mode": "block"}}
    with pytest.raises(BadRequestError) as refused:
        client.chat.completions.create(
            model="echo", messages=HATE, moderation=OPTIONS | {"policy": policy}
        )
    assert refused.value.param == "moderation.policy.output.mode"
    assert refused.value.code == "unsupported_value"


def test_an_unknown_model(client: OpenAI) -> None:
    with pytest.raises(NotFoundError) as refused:
        client.chat.completions.create(model="echo", messages=HATE, moderation={"model": "nothing"})
    assert refused.value.param == "moderation.model"


@pytest.mark.parametrize("stream", [False, True])
def test_a_moderation_that_fails_does_not_take_the_answer(stream: bool) -> None:
    models = (
        ModelSpec(id="echo", engine="echo"),
        ModelSpec(id="broken", engine="echo", options={"load_error": "The weights are bad."}),
    )
    with ServerThread(echo_settings(models=models)) as server, server.client() as client:
        made: Any = client.chat.completions.create(
            model="echo", messages=HATE, moderation={"model": "broken"}, stream=stream
        )
        answer = list(made)[-1] if stream else made
        assert answer.moderation.input.type == "error"
        assert "The weights are bad." in answer.moderation.output.message
