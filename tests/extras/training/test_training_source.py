"""Training on a folder of safetensors in the place of the decoded weights of the GGUF file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGUFReader
from openai import OpenAI
from safetensors.numpy import load_file, save_file

from openedai.config import ModelSpec
from tests.extras.training.test_fine_tuning import create, ended
from tests.extras.training.test_training import ARCHITECTURES
from tests.support import ServerThread, echo_settings
from tests.training import tiny_chat

pytestmark = pytest.mark.extras

CLASSES = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM"}
HEADS = {"attn_q": tiny_chat.HEADS, "attn_k": tiny_chat.KV_HEADS}
NAMES = {
    "token_embd": "embed_tokens",
    "output_norm": "norm",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
SHARED = re.compile(r"model\.layers\.0\..*")  # what is in the first of two files


def write_source(weights: Path, folder: Path, architecture: str) -> Path:
    """The same weights as transformers have them, in two files."""
    tensors = {}
    for tensor in GGUFReader(weights).tensors:
        *block, part, kind = tensor.name.split(".")
        rows = np.array(tensor.data)
        if architecture == "llama" and part in HEADS:
            heads = HEADS[part]
            pairs = rows.reshape(heads, len(rows) // heads // 2, 2, -1)
            rows = pairs.swapaxes(1, 2).reshape(rows.shape)
        layer = f"layers.{block[1]}." if block else ""
        tensors[f"model.{layer}{NAMES[part]}.{kind}"] = np.ascontiguousarray(rows)
    folder.mkdir()
    first = {name: rows for name, rows in tensors.items() if SHARED.fullmatch(name)}
    rest = {name: rows for name, rows in tensors.items() if name not in first}
    save_file(first, folder / "model-00001-of-00002.safetensors", {"format": "pt"})
    save_file(rest, folder / "model-00002-of-00002.safetensors", {"format": "pt"})
    files = {
        name: f"model-0000{1 if name in first else 2}-of-00002.safetensors" for name in tensors
    }
    index = {"metadata": {}, "weight_map": files}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def change(folder: Path, name: str, rows: np.ndarray | None) -> None:
    """Put a tensor in the place of another one, or take it out."""
    path = folder / "model-00002-of-00002.safetensors"
    tensors = load_file(path)
    del tensors[name]
    save_file(tensors if rows is None else {**tensors, name: rows}, path)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return tiny_chat.write(tmp_path / "tiny.gguf")


@pytest.fixture
def source(weights: Path, tmp_path: Path) -> Path:
    return write_source(weights, tmp_path / "source", "llama")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_it_computes_what_transformers_do(architecture: str, tmp_path: Path) -> None:
    import torch
    import transformers

    from openedai.training.worker.network import Network
    from openedai.training.worker.source import SourceWeights

    weights = tiny_chat.write(tmp_path / "tiny.gguf", architecture)
    folder = write_source(weights, tmp_path / "source", architecture)
    config = transformers.AutoConfig.for_model(
        architecture,
        hidden_size=tiny_chat.WIDTH,
        intermediate_size=tiny_chat.INNER,
        num_hidden_layers=tiny_chat.BLOCKS,
        num_attention_heads=tiny_chat.HEADS,
        num_key_value_heads=tiny_chat.KV_HEADS,
        head_dim=tiny_chat.HEAD,
        vocab_size=tiny_chat.VOCABULARY,
        rms_norm_eps=1e-5,
        rope_theta=10_000.0,
        tie_word_embeddings=True,
    )
    config.save_pretrained(folder)
    theirs = getattr(transformers, CLASSES[architecture]).from_pretrained(folder)
    ids = [5 + (7 * n) % 250 for n in range(30)]
    network = Network(SourceWeights(weights, folder))
    with torch.no_grad():
        ours, _ = network.losses([ids], [[True] * len(ids)])
        logits = theirs(torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
    expected = -logits[range(len(ids) - 1), ids[1:]]
    assert torch.allclose(ours, expected, atol=1e-4)


def test_the_weights_are_those_of_the_folder(weights: Path, source: Path) -> None:
    import torch

    from openedai.training.worker.source import SourceWeights
    from openedai.training.worker.weights import Weights

    change(source, "model.norm.weight", np.full(tiny_chat.WIDTH, 0.5, np.float16))
    decoded, ours = Weights(weights), SourceWeights(weights, source)
    for tensor in GGUFReader(weights).tensors:
        same = torch.equal(ours.read(tensor.name), decoded.read(tensor.name))
        assert same == (tensor.name != "output_norm.weight")
    assert ours.read("output_norm.weight").tolist() == [0.5] * tiny_chat.WIDTH


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (None, "no tensor model.norm.weight"),
        (
            np.ones(64, np.float32),
            r"model.norm.weight of its training_source has the shape \[64\], and that .* \[32\]",
        ),
        (np.ones(32, np.int8), "is quantised"),
    ],
    ids=["missing", "of another shape", "quantised"],
)
def test_weights_that_do_not_fit(
    weights: Path, source: Path, rows: np.ndarray | None, complaint: str
) -> None:
    from openedai.training.worker.source import SourceWeights

    change(source, "model.norm.weight", rows)
    with pytest.raises(ValueError, match=complaint):
        SourceWeights(weights, source)


def test_folders_without_weights(weights: Path, tmp_path: Path) -> None:
    from openedai.training.worker.source import SourceWeights

    with pytest.raises(ValueError, match="no weights in safetensors"):
        SourceWeights(weights, tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(ValueError, match=r"the file model\.safetensors of its"):
        SourceWeights(weights, tmp_path)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAI]:
    """Of a server with a model whose `training_source` fits, and one whose does not."""
    folder = tmp_path_factory.mktemp("source")
    weights = tiny_chat.write(folder / "tiny.gguf")
    fits, other = (write_source(weights, folder / name, "llama") for name in ("fits", "other"))
    change(other, "model.norm.weight", np.ones(8, np.float32))
    common: dict[str, Any] = {
        "engine": "llama_cpp",
        "source": str(weights),
        "options": {"context": 256, "slots": 2, "threads": 1},
    }
    models = (
        ModelSpec(id="tiny", training_source=str(fits), **common),
        ModelSpec(id="unfit", training_source=str(other), **common),
        ModelSpec(id="echo", engine="echo"),
    )
    settings = echo_settings(models=models, chat_model="tiny", data=folder / "data")
    with ServerThread(settings) as running, running.client(timeout=60) as client:
        yield client


def test_jobs(client: OpenAI) -> None:
    done = ended(client, create(client, epochs=1))
    assert done.status == "succeeded", done.error
    assert done.fine_tuned_model is not None
    failed = ended(client, create(client, epochs=1, model="unfit"))
    assert failed.status == "failed"
    assert failed.error is not None
    assert (failed.error.code, failed.error.param) == ("unsupported_model", "model")
    assert "has the shape [8]" in failed.error.message
