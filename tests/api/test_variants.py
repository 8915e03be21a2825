"""Variants of models: with an adapter, or under an upstream's prefix."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from openai import NotFoundError, OpenAI

from openedai.config import AdapterSpec, ModelSpec
from tests.support import ServerThread, echo_settings

MODELS = (
    ModelSpec(
        id="base",
        engine="echo",
        options={"reveal": True},
        adapters=(AdapterSpec(name="pirate", source="unused.gguf"),),
    ),
    ModelSpec(
        id="lab",
        engine="echo",
        prefix="lab/",
        options={"reveal": True, "names": ["big", "owner/small"]},
    ),
    ModelSpec(
        id="broken", engine="echo", prefix="broken/", options={"load_error": "Nobody is there."}
    ),
)


@pytest.fixture(scope="module")
def variants() -> Iterator[OpenAI]:
    with ServerThread(
        echo_settings(models=MODELS, chat_model="base", embedding_model="base")
    ) as running:
        yield running.client()


def engine_variant(client: OpenAI, model: str) -> object:
    answer = client.completions.create(model=model, prompt="x")
    assert answer.model == model
    return json.loads(answer.choices[0].text).get("variant")


def test_the_list_has_adapters_and_the_models_of_upstreams_that_answer(variants: OpenAI) -> None:
    ids = [model.id for model in variants.models.list()]
    assert ids == ["base", "base:pirate", "lab/big", "lab/owner/small"]


@pytest.mark.parametrize(
    ("model", "variant"),
    [
        ("base", None),
        ("base:pirate", "pirate"),
        ("lab/big", "big"),
        ("lab/owner/small", "owner/small"),
        ("lab/not listed", "not listed"),
    ],
)
def test_the_engine_gets_the_variant(variants: OpenAI, model: str, variant: str | None) -> None:
    assert engine_variant(variants, model) == variant
    assert variants.models.retrieve(model).id == model


def test_an_alias_has_the_adapters_of_its_model(variants: OpenAI) -> None:
    assert variants.completions.create(model="gpt-4o:pirate", prompt="x").model == "base:pirate"
    assert variants.models.retrieve("gpt-4o:pirate").id == "gpt-4o:pirate"


@pytest.mark.parametrize("model", ["lab", "base:parrot", "broken"])
def test_unknown_models(variants: OpenAI, model: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        variants.completions.create(model=model, prompt="x")
    assert caught.value.code == "model_not_found"
