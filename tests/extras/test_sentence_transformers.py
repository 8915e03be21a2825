"""Against the reference itself, and the same contract over the engine that hosts it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openedai.catalog.catalog import Catalog
from openedai.config import Settings
from openedai.contract.embed import EmbedRequest, EmbedResult
from openedai.contract.engine import Embedder
from openedai.contract.generate import Text, Tokens
from openedai.engines.embedding.onnx import OnnxEmbeddings
from openedai.engines.embedding.sentence_transformers import SentenceTransformers
from openedai.errors import EngineFailed, InvalidRequest, Unavailable
from openedai.weights.library import Library
from openedai.weights.onnx_graph.write import write_graph
from openedai.weights.progress import NoProgress
from tests.weights.onnx_graph.tiny_encoder import (
    HIDDEN,
    KINDS,
    LIMIT,
    VOCABULARY,
    write_model,
    write_modules,
)

pytestmark = [
    pytest.mark.extras,
    # Those of the libraries, not ours to mend.
    pytest.mark.filterwarnings("default"),
]

MODELS = ("all-MiniLM-L6-v2", "all-mpnet-base-v2")
ENGINES = (OnnxEmbeddings, SentenceTransformers)
FIRST = VOCABULARY.index("w0")

SENTENCES = (
    "",
    " ",
    "\t\n  \r",
    ".",
    "a",
    "I",
    "?!…",
    "Hello, world!",
    "The quick brown fox jumps over the lazy dog.",
    "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG.",
    "A man is eating a bowl of pasta.",
    "Someone has spaghetti for dinner.",
    "The stock market fell sharply on Monday, led by losses in technology shares.",
    "Photosynthesis converts light energy into chemical energy that plants can store.",
    "def add(a: int, b: int) -> int:\n    return a + b",
    "SELECT name, count(*) FROM users WHERE age > 21 GROUP BY name HAVING count(*) > 1;",
    '{"key": ["value", 1, 2.5, null, true]}',
    "https://example.org/a/very/long/path?with=query&and=more#fragment",
    "1234567890",
    "3.14159 2.71828 1.41421 -40 1e-12 0x7fff 1,000,000",
    "Call +1 (555) 010-9999 before 10:30 a.m. on 2024-02-29.",
    "naïve café façade, Ångström, coöperate, Zoë",
    "Straße, größer, Übermut, weiß",
    "e\u0301 is not \u00e9 until it is normalised",
    "Быстрая коричневая лиса прыгает через ленивую собаку.",
    "Η γρήγορη καφέ αλεπού πηδάει πάνω από το τεμπέλικο σκυλί.",
    "敏捷的棕色狐狸跳过了懒狗。",
    "素早い茶色の狐がのろまな犬を飛び越える。",
    "빠른 갈색 여우가 게으른 개를 뛰어넘는다.",
    "الثعلب البني السريع يقفز فوق الكلب الكسول",
    "השועל החום המהיר קופץ מעל הכלב העצלן",
    "तेज़ भूरी लोमड़ी आलसी कुत्ते के ऊपर कूदती है।",
    "👍🏽 👨‍👩‍👧‍👦 🏳️‍🌈 flags and families",
    "zero\u200bwidth\u200djoiner\ufeffmarks",
    "control \x00\x01\x1f characters",
    "special <s> </s> <pad> <mask> [CLS] [SEP] [PAD] [MASK] [UNK] tokens",
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
    "x" * 101,
    "supercalifragilisticexpialidocious " * 12,
    "To be, or not to be, that is the question: whether 'tis nobler in the mind to suffer. " * 8,
    "It was the best of times, it was the worst of times, it was the age of wisdom. " * 60,
    "word " * 254,
    "word " * 255,
    "word " * 382,
    "word " * 383,
)  # fmt: skip


def vectors(result: EmbedResult) -> Any:
    return np.frombuffer(result.data, "<f4").reshape(-1, result.dimensions)


def texts(*items: str, dimensions: int | None = None) -> EmbedRequest:
    return EmbedRequest(inputs=tuple(Text(text=item) for item in items), dimensions=dimensions)


def reference(folder: Path, items: list[str], **options: Any) -> tuple[Any, Any]:
    """The library's model and its vectors."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    return model, model.encode(items, show_progress_bar=False, **options)


def embedded(engine_class: type[Any], folder: Path, *items: str) -> EmbedResult:
    async def go() -> EmbedResult:
        engine: Embedder = await engine_class.load("a-model", folder, {})
        try:
            return await engine.embed(texts(*items))
        finally:
            await engine.close()

    return asyncio.run(go())


def cosines(found: Any, expected: Any) -> Any:
    product = (found * expected).sum(axis=1)
    return product / np.linalg.norm(found, axis=1) / np.linalg.norm(expected, axis=1)


@pytest.mark.real
@pytest.mark.parametrize("name", MODELS)
def test_real_models_equal_the_reference(name: str) -> None:
    settings = Settings(_env_file=None)
    path = Library(settings).pull(Catalog(settings).resolve(name).spec, NoProgress())
    assert path is not None
    model, expected = reference(path, list(SENTENCES))
    counted = model.tokenizer(list(SENTENCES), truncation=True)["input_ids"]
    assert max(map(len, counted)) == model.max_seq_length
    for engine_class in ENGINES:
        result = embedded(engine_class, path, *SENTENCES)
        found = vectors(result)
        assert cosines(found, expected).min() >= 0.9999
        np.testing.assert_allclose(found, expected, atol=1e-4)
        assert result.prompt_tokens == sum(map(len, counted))


ODD = ["w1 w2 w3", "", "w4", "W5 unknown w6", " ".join(f"w{n}" for n in range(30))]


@pytest.mark.parametrize("kind", ["modernbert", *(kind for kind in KINDS if kind != "distilbert")])
@pytest.mark.parametrize(
    "pooling",
    [
        {"pooling_mode": mode}
        for mode in (
            "cls",
            "max",
            "mean",
            "mean_sqrt_len_tokens",
            "weightedmean",
            "lasttoken",
            ["lasttoken", "mean", "cls"],
        )
    ]
    + [{"pooling_mode_max_tokens": True, "pooling_mode_cls_token": True}],
)
def test_pooling_equals_the_reference(tmp_path: Path, kind: str, pooling: dict[str, Any]) -> None:
    folder = write_model(tmp_path, kind)
    write_modules(folder, pooling)
    write_graph(folder)
    _, expected = reference(folder, ODD)
    found = vectors(embedded(OnnxEmbeddings, folder, *ODD))
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("settings", [{"do_lower_case": True}, {"max_seq_length": None}])
def test_settings_equal_the_reference(tmp_path: Path, settings: dict[str, Any]) -> None:
    folder = write_model(tmp_path, "bert", **settings)
    write_graph(folder)
    _, expected = reference(folder, ODD)
    found = vectors(embedded(OnnxEmbeddings, folder, *ODD))
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(
    "kind", ["bert", "roberta", "xlm-roberta", "camembert", "mpnet", "distilbert"]
)
@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu"])
def test_graphs_equal_transformers(tmp_path: Path, kind: str, activation: str) -> None:
    import onnxruntime
    import torch
    from transformers import AutoConfig, AutoModel

    sizes: dict[str, Any] = {
        "hidden_size": 24,
        "num_attention_heads": 3,
        "num_hidden_layers": 2,
        "intermediate_size": 40,
        "hidden_act": activation,
    }
    if kind == "distilbert":
        sizes = {"dim": 24, "n_heads": 3, "n_layers": 2, "hidden_dim": 40, "activation": activation}
    config = AutoConfig.for_model(kind, vocab_size=60, max_position_embeddings=600, **sizes)
    torch.manual_seed(1)
    model = AutoModel.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)
    model.save_pretrained(tmp_path, safe_serialization=True)
    ids = torch.randint(5, 60, (3, 590))
    mask = torch.ones_like(ids)
    for row, length in ((1, 300), (2, 1)):
        mask[row, length:] = 0
        ids[row, length:] = config.pad_token_id or 0
    with torch.inference_mode():
        expected = model(input_ids=ids, attention_mask=mask).last_hidden_state.numpy()
    session = onnxruntime.InferenceSession(str(write_graph(tmp_path)))
    feeds = {"input_ids": ids.numpy(), "attention_mask": mask.numpy()}
    (found,) = session.run(None, feeds)
    real = mask.numpy() == 1
    np.testing.assert_allclose(found[real], expected[real], atol=1e-4)


Scenario = Callable[[Embedder], Coroutine[Any, Any, None]]
Run = Callable[[Scenario], None]


@pytest.fixture(scope="module", params=ENGINES)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs a scenario on an engine that all tests of the module share."""
    folder = write_model(tmp_path_factory.mktemp("model"), "bert")
    write_graph(folder)
    with asyncio.Runner() as runner:
        engine = runner.run(request.param.load("tiny", folder, {"batch_tokens": 48}))
        yield lambda scenario: runner.run(scenario(engine))
        runner.run(engine.close())
        runner.run(engine.close())


def test_texts_and_tokens_are_the_same(run: Run) -> None:
    async def scenario(engine: Embedder) -> None:
        ids = [(FIRST + 1, FIRST + 2), (), tuple(range(FIRST, FIRST + 40))]
        items = [" ".join(VOCABULARY[token] for token in row) for row in ids]
        one = await engine.embed(texts(*items))
        two = await engine.embed(EmbedRequest(inputs=tuple(Tokens(ids=row) for row in ids)))
        np.testing.assert_allclose(vectors(one), vectors(two), atol=1e-5)
        assert one.prompt_tokens == two.prompt_tokens == 4 + 2 + LIMIT
        mixed = EmbedRequest(inputs=(Tokens(ids=ids[0]), Text(text=items[2]), Tokens(ids=ids[1])))
        both = vectors(await engine.embed(mixed))
        np.testing.assert_allclose(both, vectors(one)[[0, 2, 1]], atol=1e-5)

    run(scenario)


def test_many_requests_at_once(run: Run) -> None:
    async def scenario(engine: Embedder) -> None:
        items = [" ".join(f"w{n}" for n in range(length)) for length in range(30)]
        requests = [texts(*items[start : start + 5], *items[:start]) for start in range(25)]
        alone = [await engine.embed(request) for request in requests]
        together = await asyncio.gather(*map(engine.embed, requests))
        for one, other in zip(alone, together, strict=True):
            np.testing.assert_allclose(vectors(one), vectors(other), atol=1e-5)

    run(scenario)


def test_dimensions(run: Run) -> None:
    async def scenario(engine: Embedder) -> None:
        whole = vectors(await engine.embed(texts("w1 w2")))
        assert whole.shape == (1, HIDDEN)
        cut = vectors(await engine.embed(texts("w1 w2", dimensions=4)))
        short = whole[:, :4] / np.linalg.norm(whole[:, :4])
        np.testing.assert_allclose(cut, short, atol=1e-6)
        with pytest.raises(InvalidRequest) as caught:
            await engine.embed(texts("w1", dimensions=HIDDEN + 1))
        assert caught.value.param == "dimensions"

    run(scenario)


def test_odd_inputs(run: Run) -> None:
    async def scenario(engine: Embedder) -> None:
        found = vectors(await engine.embed(texts("", "\ud800", "\x00", " \n", "👍🏽")))
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
        for wrong in (-1, len(VOCABULARY)):
            with pytest.raises(InvalidRequest, match=str(wrong)) as caught:
                await engine.embed(EmbedRequest(inputs=(Tokens(ids=(wrong,)),)))
            assert caught.value.param == "input"
        assert vectors(await engine.embed(EmbedRequest(inputs=()))).shape == (0, HIDDEN)

    run(scenario)


def test_memory(run: Run) -> None:
    async def scenario(engine: Embedder) -> None:
        assert engine.memory() > 10 << 20

    run(scenario)


def refused(folder: Path | None, **options: Any) -> str:
    with pytest.raises((EngineFailed, Unavailable)) as caught:
        asyncio.run(SentenceTransformers.load("tiny", folder, options))
    return caught.value.message


def test_loads_that_fail(tmp_path: Path) -> None:
    assert "weights" in refused(None)
    assert "speed" in refused(tmp_path, speed=2)
    assert "`tiny`" in refused(tmp_path)
    assert "`tiny`" in refused(write_model(tmp_path / "model"), device="abacus")
    (tmp_path / "model" / "model.safetensors").write_bytes(b"broken")
    assert "`tiny`" in refused(tmp_path / "model")


def test_code_of_a_model_is_not_run(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    (folder / "spy.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nSpy = None\n")
    modules = (folder / "modules.json").read_text()
    (folder / "modules.json").write_text(
        modules.replace("sentence_transformers.models.Normalize", "spy.Spy")
    )
    refused(folder)
    assert not (tmp_path / "ran").exists()
