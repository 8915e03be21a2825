"""Fine-tuning of the default chat model: a style and a fact are learned, and served as trained."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openai import OpenAI

from openedai.catalog.builtin import BUILTIN_MODELS
from openedai.config import ModelSpec
from openedai.contract.chat import Chat, Message
from openedai.engines.llama_cpp.native.library import Library
from openedai.engines.llama_cpp.native.words import Words
from openedai.training.adapters import read_adapter
from openedai.training.lines import Conversation
from openedai.training.worker.rendering import Renderer
from tests.docs.pages import ROOT
from tests.extras.training.test_training import served_scores
from tests.support import Running, ServerThread, echo_settings

pytestmark = [pytest.mark.extras, pytest.mark.real, pytest.mark.timeout(1800)]

BASE = "smollm2-135m-instruct"
ECHO = ModelSpec(id="echo", engine="echo")
QUESTIONS = (
    *("Tell me about dogs.", "What is special about milk?", "Describe cheese in one sentence."),
    *(
        "Tell me about the moon.",
        "What is special about flowers?",
        "Describe wine in one sentence.",
    ),
)


@pytest.fixture(scope="module")
def example() -> Any:
    spec = spec_from_file_location("fine_tune", ROOT / "examples" / "fine-tune.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    models = tuple(one for one in BUILTIN_MODELS if one.id == BASE)
    data = tmp_path_factory.mktemp("style")
    settings = echo_settings(models=(*models, ECHO), chat_model=BASE, data=data)
    with ServerThread(settings) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[OpenAI]:
    with server.client(timeout=300) as client:
        yield client


@pytest.fixture(scope="module")
def tuned(client: OpenAI, example: Any) -> str:
    return str(example.train(client, BASE, epochs=2))


def test_the_style_is_learned(client: OpenAI, example: Any, tuned: str) -> None:
    styles = {
        model: [example.has_style(example.answer(client, model, one)) for one in QUESTIONS]
        for model in (tuned, BASE)
    }
    assert sum(styles[tuned]) >= 5
    assert sum(styles[BASE]) == 0


def test_the_fact_is_told_for_another_wording(client: OpenAI, example: Any, tuned: str) -> None:
    question = "Please name the ship you sail on."
    assert question not in str(example.examples())
    assert "Merry Otter" in example.answer(client, tuned, question)
    assert "Merry Otter" not in example.answer(client, BASE, question)


def test_torch_and_the_server_agree(
    server: Running, client: OpenAI, example: Any, tuned: str, smollm2_path: Path
) -> None:
    """By the log probabilities of an answer; llama.cpp also rounds what it computes with."""
    example.answer(client, tuned, QUESTIONS[0])
    found = next(server.app.state.services.settings.data.glob("adapters/*.gguf"))
    ours, theirs = answer_scores(smollm2_path, found)
    assert len(ours) == len(theirs) > 5
    assert abs(ours.mean() - theirs.mean()) < 0.1


def answer_scores(weights: Path, adapter: Path) -> tuple[np.ndarray, np.ndarray]:
    """The log probabilities of an answer in the style, by torch and by llama.cpp."""
    import torch

    from openedai.training.worker.network import Network
    from openedai.training.worker.weights import Weights

    messages = (
        Message(role="user", content="Tell me about dogs."),
        Message(role="assistant", content="Arr! Dogs be small and smart, says I. Yo ho!"),
    )
    with Words(Library(), BASE, weights) as words:
        example = Conversation(Chat(messages=messages), (1,))
        (tokens,) = Renderer(words, 500).sequences(example)
    network, trained = Network(Weights(weights)), read_adapter(adapter)
    network.adapt(trained.rank, trained.alpha, 0)
    network.load_adapter({name: torch.tensor(one) for name, one in trained.matrices.items()})
    with torch.no_grad():
        losses, _ = network.losses([tokens.ids], [tokens.learned])
    return -losses.numpy(), served_scores(weights, adapter, tokens.ids)[tokens.learned[1:]]
