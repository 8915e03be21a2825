"""Embedding models in GGUF files: against numpy, and against ONNX Runtime."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from openedai.catalog.catalog import Catalog
from openedai.config import Settings
from openedai.contract.embed import EmbedRequest, EmbedResult
from openedai.contract.engine import Embedder
from openedai.contract.generate import Text, Tokens
from openedai.engines.embedding.onnx import OnnxEmbeddings
from openedai.engines.llama_cpp.engine import LlamaCpp
from openedai.engines.llama_cpp.pooled.embedder import LlamaCppEmbedder
from openedai.errors import EngineFailed, InvalidRequest
from openedai.weights.library import Library
from tests.gguf.bert_file import convert
from tests.gguf.tiny_reranker import write, write_decoder
from tests.weights.onnx_graph.tiny_encoder import END, POSITIONS, START, VOCABULARY, hidden_states

MEAN, CLS, LAST = 1, 2, 3
WORDS = "w1 w2 w3"


def embedded(path: Path, *requests: EmbedRequest, **options: Any) -> list[EmbedResult]:
    async def go() -> list[EmbedResult]:
        engine = await LlamaCppEmbedder.load("tiny", path, {"gpu_layers": 0, **options})
        return await answered(engine, *requests)

    return asyncio.run(go())


async def answered(engine: Embedder, *requests: EmbedRequest) -> list[EmbedResult]:
    try:
        return await asyncio.gather(*map(engine.embed, requests))
    finally:
        await engine.close()


def embed_request(*texts: str, **options: Any) -> EmbedRequest:
    return EmbedRequest(inputs=tuple(Text(text=text) for text in texts), **options)


def rows(result: EmbedResult) -> Any:
    return np.frombuffer(result.data, "<f4").reshape(-1, result.dimensions)


def ids_of(text: str) -> list[int]:
    return [START, *(VOCABULARY.index(word) for word in text.split()), END]


def expected(folder: Path, ids: Sequence[int], pooling: int) -> Any:
    states = hidden_states(folder, np.array([ids]), np.ones((1, len(ids)), np.int64))[0]
    pooled = {MEAN: states.mean(axis=0), CLS: states[0], LAST: states[-1]}[pooling]
    return pooled / np.linalg.norm(pooled)


def cosines(one: Any, other: Any) -> Any:
    return (one * other).sum(axis=-1)


@pytest.mark.parametrize("pooling", [MEAN, CLS, LAST])
def test_vectors_equal_the_formulas(tmp_path: Path, pooling: int) -> None:
    texts = [" ".join(f"w{(n + k) % 50}" for k in range(n % 9 + 1)) for n in range(100)]
    (found,) = embedded(write(tmp_path, head=False, pooling=pooling), embed_request(*texts))
    reference = np.stack([expected(tmp_path, ids_of(text), pooling) for text in texts])
    assert cosines(rows(found), reference).min() > 0.999
    np.testing.assert_allclose(np.linalg.norm(rows(found), axis=1), 1, atol=1e-5)
    assert found.prompt_tokens == sum(len(ids_of(text)) for text in texts)


def test_the_pooling_of_the_file_or_of_the_option(tmp_path: Path) -> None:
    without = write(tmp_path, head=False, pooling=None)
    by_default, by_option = (
        rows(embedded(without, embed_request(WORDS), **options)[0])[0]
        for options in ({}, {"pooling": "cls"})
    )
    assert cosines(by_default, expected(tmp_path, ids_of(WORDS), MEAN)) > 0.999
    assert cosines(by_option, expected(tmp_path, ids_of(WORDS), CLS)) > 0.999


def test_tokens_are_read_as_they_are(tmp_path: Path) -> None:
    path = write(tmp_path, head=False, pooling=MEAN)
    tokens = EmbedRequest(inputs=(Tokens(ids=tuple(ids_of(WORDS)[1:-1])),))
    found, text = embedded(path, tokens, embed_request(WORDS))
    np.testing.assert_allclose(rows(found), rows(text), atol=1e-5)
    with pytest.raises(InvalidRequest, match=f"Invalid token id {len(VOCABULARY)}"):
        embedded(path, EmbedRequest(inputs=(Tokens(ids=(len(VOCABULARY),)),)))


def test_long_inputs_are_truncated_before_the_last_special_token(tmp_path: Path) -> None:
    path, long = write(tmp_path, head=False, pooling=MEAN), " ".join(f"w{n}" for n in range(50))
    whole, cut = (
        embedded(path, embed_request(f"{long} {long}"))[0],
        embedded(path, embed_request(long), context=16),
    )
    assert whole.prompt_tokens == POSITIONS
    assert cut[0].prompt_tokens == 16
    reference = expected(tmp_path, [*ids_of(long)[:15], END], MEAN)
    assert cosines(rows(cut[0])[0], reference) > 0.999


def test_prompts_go_before_texts_by_their_type(tmp_path: Path) -> None:
    path = write(tmp_path, head=False, pooling=MEAN)
    options = {"prompts": {"query": "w7 ", "document": "w8 "}, "default_prompt": "document"}
    query, plain, tokens = embedded(
        path,
        embed_request(WORDS, input_type="search_query"),
        embed_request(WORDS),
        EmbedRequest(inputs=(Tokens(ids=tuple(ids_of(WORDS)[1:-1])),)),
        **options,
    )
    for found, prompt in ((query, "w7 "), (plain, "w8 "), (tokens, "")):
        reference = expected(tmp_path, ids_of(prompt + WORDS), MEAN)
        assert cosines(rows(found)[0], reference) > 0.999
    with pytest.raises(InvalidRequest, match="input_type"):
        embedded(path, embed_request(WORDS, input_type="poem"), **options)


def test_fewer_dimensions(tmp_path: Path) -> None:
    path = write(tmp_path, head=False, pooling=MEAN)
    whole, half = embedded(path, embed_request(WORDS), embed_request(WORDS, dimensions=4))
    cut = rows(whole)[:, :4]
    np.testing.assert_allclose(rows(half), cut / np.linalg.norm(cut), atol=1e-5)


def test_a_decoder_with_the_last_tokens_state(tmp_path: Path) -> None:
    path = write_decoder(tmp_path / "tiny.gguf", pooling=LAST)
    texts = [" ".join(f"w{(n + k) % 50}" for k in range(n % 9 + 1)) for n in range(40)]
    (whole,) = embedded(path, embed_request(*texts))
    apart = embedded(path, *(embed_request(text) for text in texts), batch=64)
    alone = np.concatenate([rows(one) for one in apart])
    assert cosines(rows(whole), alone).min() > 0.999
    assert whole.prompt_tokens == sum(len(ids_of(text)) for text in texts)


def test_a_file_that_names_no_pooling_of_vectors(tmp_path: Path) -> None:
    with pytest.raises(EngineFailed, match="`tiny` is no embedding model: its weights name no"):
        embedded(write_decoder(tmp_path / "tiny.gguf"))


def test_the_engine_for_text_refuses_an_encoder(tmp_path: Path) -> None:
    path = write(tmp_path, head=False, pooling=MEAN)
    with pytest.raises(EngineFailed, match="the engine `llama_cpp_embeddings` runs such encoders"):
        asyncio.run(LlamaCpp.load("tiny", path, {}))


@pytest.mark.real
def test_a_real_model_has_the_vectors_that_onnx_runtime_computes(tmp_path: Path) -> None:
    settings = Settings(_env_file=None)
    spec = replace(Catalog(settings).resolve("all-MiniLM-L6-v2").spec)
    folder = Library(settings).pull(spec)
    assert folder is not None
    path = convert(folder, tmp_path / "minilm.gguf", pooling=MEAN)
    texts = (
        "How do plants eat?",
        "Photosynthesis turns light into sugar, unbelievably quickly.",
        "Über 3,000 cafés (or so) can't be wrong!",
        "word " * 40,
    )

    async def onnx() -> list[EmbedResult]:
        return await answered(await OnnxEmbeddings.load("m", folder, {}), embed_request(*texts))

    (found,), (reference,) = embedded(path, embed_request(*texts)), asyncio.run(onnx())
    assert found.prompt_tokens == reference.prompt_tokens
    assert cosines(rows(found), rows(reference)).min() > 0.999
    assert math.isclose(float(np.linalg.norm(rows(found)[0])), 1, abs_tol=1e-5)
