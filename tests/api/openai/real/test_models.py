"""The built-in default models through the official client: the product itself."""

from __future__ import annotations

import math
from typing import Any

import pytest
from openai import BadRequestError, OpenAI
from openai.types import Completion, CreateEmbeddingResponse
from openai.types.chat import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionMessageParam,
)

from tests.support import Running, fetch

pytestmark = pytest.mark.real
QUESTION: list[ChatCompletionMessageParam] = [
    {"role": "user", "content": "What is the capital of France? Answer in one word."}
]
PARIS = "7042"  # the token " Paris" of the default model


def test_models(real_client: OpenAI) -> None:
    ids = [model.id for model in real_client.models.list()]
    assert {"smollm2-135m-instruct", "all-mpnet-base-v2", "all-MiniLM-L6-v2"} <= set(ids)
    for alias in ("gpt-3.5-turbo", "text-embedding-ada-002"):
        assert real_client.models.retrieve(alias).id == alias


def test_chat(real_client: OpenAI) -> None:
    answer = real_client.chat.completions.create(
        model="gpt-4o", messages=QUESTION, max_tokens=8, temperature=0, seed=1
    )
    ChatCompletion.model_validate(answer.to_dict(), strict=True)
    assert answer.model == "smollm2-135m-instruct"
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.completion_tokens <= 8
    assert answer.usage.prompt_tokens > 10


def test_chat_streamed_is_the_same_as_whole(real_client: OpenAI) -> None:
    """One token is wanted above all others: likely ones can swap their places when the model's
    context has grown.
    """
    body: dict[str, Any] = {
        "model": "gpt-4o",
        "messages": QUESTION,
        "max_tokens": 8,
        "temperature": 0,
        "logit_bias": {PARIS: 100},
    }
    whole = real_client.chat.completions.create(**body)
    *chunks, last = real_client.chat.completions.create(
        **body, stream=True, stream_options={"include_usage": True}
    )
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk.to_dict(), strict=True)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == whole.choices[0].message.content == " Paris" * 8
    assert chunks[-1].choices[0].finish_reason == whole.choices[0].finish_reason
    assert last.usage is not None
    assert whole.usage is not None
    assert last.usage.completion_tokens == whole.usage.completion_tokens
    assert last.usage.prompt_tokens == whole.usage.prompt_tokens


def test_a_repeated_prefix_is_cached(real_client: OpenAI) -> None:
    for _ in range(2):
        answer = real_client.chat.completions.create(
            model="gpt-4o",
            messages=[{"role": "user", "content": "Remember: " + "red blue green " * 40}],
            max_tokens=1,
        )
    assert answer.usage is not None
    details = answer.usage.prompt_tokens_details
    assert details is not None
    assert details.cached_tokens is not None
    assert details.cached_tokens > 100


@pytest.mark.parametrize(
    ("prompt", "count"),
    [("The sky is", 1), (["The sky is", "Grass is"], 2), ([504, 6511, 314], 1)],
)
@pytest.mark.parametrize("stream", [False, True])
def test_completions(real_client: OpenAI, prompt: object, count: int, stream: bool) -> None:
    create: Any = real_client.completions.create
    answer = create(
        model="text-davinci-003", prompt=prompt, max_tokens=4, temperature=0, stream=stream
    )
    texts: dict[int, str] = {}
    reasons: dict[int, str | None] = {}
    for part in answer if stream else [answer]:
        if not stream:  # the type has no null, which chunks before the last one hold
            Completion.model_validate(part.to_dict(), strict=True)
        for choice in part.choices:
            texts[choice.index] = texts.get(choice.index, "") + choice.text
            reasons[choice.index] = choice.finish_reason or reasons.get(choice.index)
    assert sorted(texts) == list(range(count))
    assert all(texts.values())
    assert set(reasons.values()) <= {"length", "stop"}


def test_several_choices_with_a_seed(real_client: OpenAI) -> None:
    answer = real_client.chat.completions.create(
        model="gpt-4o", messages=QUESTION, n=3, seed=3, temperature=1.5, max_tokens=8
    )
    assert len(answer.choices) == 3
    assert len({choice.message.content for choice in answer.choices}) > 1


def test_logit_bias_forbids_a_token(real_client: OpenAI) -> None:
    first = real_client.completions.create(
        model="gpt-4o", prompt="The capital of France is", max_tokens=1, temperature=0
    )
    assert first.choices[0].text == " Paris"
    other = real_client.completions.create(
        model="gpt-4o",
        prompt="The capital of France is",
        max_tokens=1,
        temperature=0,
        logit_bias={PARIS: -100},
    )
    assert other.choices[0].text != " Paris"


def test_context_overflow(real_client: OpenAI) -> None:
    with pytest.raises(BadRequestError) as caught:
        real_client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "word " * 9000}]
        )
    assert caught.value.code == "context_length_exceeded"
    assert "4096 tokens" in caught.value.message


@pytest.mark.parametrize(("model", "size"), [("all-mpnet-base-v2", 768), ("all-MiniLM-L6-v2", 384)])
def test_embeddings(real_client: OpenAI, model: str, size: int) -> None:
    texts = ["A cat sits on the mat.", "A kitten rests on a rug.", "The stock market fell."]
    answer = real_client.embeddings.create(model=model, input=texts)
    CreateEmbeddingResponse.model_validate(answer.to_dict(), strict=True)
    assert answer.model == model
    cat, kitten, market = (row.embedding for row in answer.data)
    assert len(cat) == size
    assert math.isclose(dot(cat, cat), 1, rel_tol=1e-4)
    assert dot(cat, kitten) > dot(cat, market)


def test_embedding_dimensions(real_client: OpenAI) -> None:
    whole = real_client.embeddings.create(model="text-embedding-3-small", input="Hello")
    short = real_client.embeddings.create(
        model="text-embedding-3-small", input="Hello", dimensions=100
    )
    vector = short.data[0].embedding
    assert len(vector) == 100
    head = whole.data[0].embedding[:100]
    assert math.isclose(dot(vector, head) ** 2, dot(head, head), rel_tol=1e-3)


def test_metrics_tell_of_the_models(real_client: OpenAI, real_server: Running) -> None:
    real_client.completions.create(model="gpt-4o", prompt="Hi", max_tokens=1)
    text = fetch(f"{real_server.url}/metrics").body.decode()
    assert 'openedai_model_loaded{model="smollm2-135m-instruct"} 1.0' in text
    assert 'openedai_tokens_total{kind="completion",model="smollm2-135m-instruct"}' in text
    assert 'openedai_time_to_first_token_seconds_count{model="smollm2-135m-instruct"}' in text
    line = next(x for x in text.splitlines() if x.startswith("openedai_model_memory_bytes{"))
    assert float(line.split()[1]) > 50e6


def dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))
