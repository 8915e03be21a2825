from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from openedai.catalog.catalog import Catalog
from openedai.config import Settings
from openedai.contract.embed import EmbedRequest, EmbedResult
from openedai.contract.generate import Text, Tokens
from openedai.engines.embedding.graph import LARGE_GRAPH
from openedai.engines.embedding.onnx import Encoder, OnnxEmbeddings
from openedai.engines.embedding.threads import divided
from openedai.engines.free_cores import FreeCores, Sample
from openedai.errors import EngineFailed, InvalidRequest, Unavailable
from openedai.weights.library import Library
from openedai.weights.onnx_graph.write import write_graph
from openedai.weights.progress import NoProgress
from tests.weights.onnx_graph.tiny_encoder import (
    END,
    HIDDEN,
    KINDS,
    LIMIT,
    PAD,
    START,
    UNKNOWN,
    VOCABULARY,
    hidden_states,
    write_model,
    write_modules,
)

FIRST = VOCABULARY.index("w0")
Scenario = Callable[[OnnxEmbeddings], Coroutine[Any, Any, None]]


def text(*numbers: int) -> Text:
    return Text(text=" ".join(f"w{number}" for number in numbers))


def vectors(result: EmbedResult) -> Any:
    return np.frombuffer(result.data, "<f4").reshape(-1, result.dimensions)


def with_engine(folder: Path, scenario: Scenario, **options: Any) -> None:
    async def go() -> None:
        engine = await OnnxEmbeddings.load("tiny", folder, options)
        try:
            await scenario(engine)
        finally:
            await engine.close()

    asyncio.run(go())


def embedded(folder: Path, *inputs: Text | Tokens, **options: Any) -> tuple[Any, int]:
    """The vectors of the inputs, and the tokens they took."""
    found: list[EmbedResult] = []

    async def scenario(engine: OnnxEmbeddings) -> None:
        found.append(await engine.embed(EmbedRequest(inputs=inputs)))

    with_engine(folder, scenario, **options)
    return vectors(found[0]), found[0].prompt_tokens


def expected(folder: Path, ids: list[int]) -> Any:
    """Mean pooling and normalisation of one sequence."""
    row = np.array([ids])
    mean = hidden_states(folder, row, np.ones_like(row))[0].mean(axis=0)
    return mean / np.linalg.norm(mean)


def all_free(cores: int) -> FreeCores:
    """So many cores, as on a machine that does not tell who uses them."""

    def measure() -> Sample:
        raise OSError

    return FreeCores(cores, measure)


@pytest.fixture(params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = write_model(tmp_path / "model", request.param)
    write_graph(folder)
    return folder


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    folder = write_model(tmp_path / "model", "bert")
    write_graph(folder)
    return folder


def test_vectors_equal_the_formulas(folder: Path) -> None:
    inputs = (text(1, 2, 3), text(), text(9), Text(text="w4 never seen"))
    found, tokens = embedded(folder, *inputs)
    rows = [
        [START, FIRST + 1, FIRST + 2, FIRST + 3, END],
        [START, END],
        [START, FIRST + 9, END],
        [START, FIRST + 4, UNKNOWN, UNKNOWN, END],
    ]
    assert tokens == 5 + 2 + 3 + 5
    np.testing.assert_allclose(found, [expected(folder, row) for row in rows], atol=1e-5)


def test_a_text_is_the_same_alone_and_among_others(folder: Path) -> None:
    texts = [text(*range(length)) for length in (1, 4, 9, 2, 6, 8, 3)]
    together, _ = embedded(folder, *texts)
    apart, _ = embedded(folder, *texts, batch_tokens=1)
    np.testing.assert_allclose(together, apart, atol=1e-5)


@pytest.mark.parametrize("free", [1, 2, 3])
def test_rows_divided_among_free_cores_have_the_same_vectors(folder: Path, free: int) -> None:
    rows = [list(range(FIRST, FIRST + 1 + length % 9)) for length in range(36)]
    assert divided([len(row) for row in rows], free)
    encoder = Encoder(folder, "cpu", 3, all_free(free))
    found = encoder.run(rows)
    encoder.close()
    np.testing.assert_allclose(found, [expected(folder, row) for row in rows], atol=1e-5)


def test_weights_inside_the_graph_are_not_loaded_twice(bert: Path) -> None:
    for size, divides in ((1, True), (LARGE_GRAPH, False)):
        model = onnx.load(bert / "model.onnx", load_external_data=False)
        model.metadata_props.add(key="large", value="x" * size)
        (bert / "model.onnx").write_bytes(model.SerializeToString())
        encoder = Encoder(bert, "cpu", 2, all_free(2))
        found = encoder.run([[START, FIRST, END]] * 40)
        encoder.close()
        assert (encoder.graph.for_rows is not None) == divides
        np.testing.assert_allclose(found[0], expected(bert, [START, FIRST, END]), atol=1e-5)


def test_truncation_keeps_the_special_tokens(folder: Path) -> None:
    found, tokens = embedded(folder, text(*range(40)), text(*range(LIMIT - 2)))
    assert tokens == 2 * LIMIT
    row = [START, *range(FIRST, FIRST + LIMIT - 2), END]
    np.testing.assert_allclose(found, [expected(folder, row)] * 2, atol=1e-5)


def test_truncation_from_the_left(bert: Path) -> None:
    file = bert / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"truncation_side": "left"}))
    ids = tuple(range(FIRST, FIRST + 40))
    found, _ = embedded(bert, text(*range(40)), Tokens(ids=ids))
    row = [START, *range(FIRST + 42 - LIMIT, FIRST + 40), END]
    np.testing.assert_allclose(found, [expected(bert, row)] * 2, atol=1e-5)


def test_nothing_is_cut_below_the_limit(tmp_path: Path) -> None:
    for kind, limit in (("bert", 48), ("roberta", 48 - 1), ("mpnet", 48 - 1)):
        folder = write_model(tmp_path / kind, kind, max_seq_length=None)
        write_graph(folder)
        found, tokens = embedded(folder, text(*[3] * 45), text(*[3] * 100))
        assert tokens == 47 + limit
        np.testing.assert_allclose(
            found[0], expected(folder, [START, *[FIRST + 3] * 45, END]), atol=1e-5
        )


def test_tokens_are_wrapped_as_a_text_is(folder: Path) -> None:
    inputs = [text(1, 2, 3), text(), text(*range(40))]
    ids = [(FIRST + 1, FIRST + 2, FIRST + 3), (), tuple(range(FIRST, FIRST + 40))]
    texts, counted = embedded(folder, *inputs)
    tokens, again = embedded(folder, *[Tokens(ids=row) for row in ids])
    np.testing.assert_array_equal(texts, tokens)
    assert counted == again == 5 + 2 + LIMIT


def test_padding_ids_among_tokens(folder: Path) -> None:
    found, tokens = embedded(folder, Tokens(ids=(FIRST, PAD, FIRST)), text(*range(9)))
    row = [START, FIRST, PAD, FIRST, END]
    assert tokens == 5 + 11
    np.testing.assert_allclose(found[0], expected(folder, row), atol=1e-5)


@pytest.mark.parametrize(
    "long",
    [
        "w1 w2 w3 " * 50_000,
        "w" * 200_000 + " w1" * 50,
        "w1 " + "x" * 100_000 + " w2 " * 50,
        " " * 100_000 + "w5",
        ("w" * 300 + " ") * 20 + "w6 w7",
    ],
)
def test_long_texts_are_cut_as_if_all_of_them_were_read(bert: Path, long: str) -> None:
    found, tokens = embedded(bert, Text(text=long))
    body = [VOCABULARY.index(w) if w in VOCABULARY else UNKNOWN for w in long.split()]
    row = [START, *body[: LIMIT - 2], END]
    assert tokens == len(row)
    np.testing.assert_allclose(found[0], expected(bert, row), atol=1e-5)


@pytest.mark.parametrize("wrong", [-1, len(VOCABULARY), 1 << 40])
def test_ids_out_of_range(bert: Path, wrong: int) -> None:
    async def scenario(engine: OnnxEmbeddings) -> None:
        request = EmbedRequest(inputs=(text(1), Tokens(ids=(FIRST, wrong))))
        with pytest.raises(InvalidRequest, match=str(wrong)) as caught:
            await engine.embed(request)
        assert caught.value.param == "input"
        await engine.embed(EmbedRequest(inputs=(Tokens(ids=(len(VOCABULARY) - 1,)),)))

    with_engine(bert, scenario)


@pytest.mark.parametrize(
    "odd", ["\ud800", "\x00", "\ufffe", "a\udfff\ud800b", " \t\n", "👨‍👩‍👧", "é" * 9999]
)
def test_odd_texts(bert: Path, odd: str) -> None:
    found, tokens = embedded(bert, Text(text=odd))
    assert 2 <= tokens <= LIMIT
    np.testing.assert_allclose(np.linalg.norm(found), 1, atol=1e-5)


def test_lower_case(tmp_path: Path) -> None:
    for lower, body in ((False, [UNKNOWN]), (True, [FIRST + 7])):
        folder = write_model(tmp_path / str(lower), "bert", do_lower_case=lower)
        write_graph(folder)
        found, _ = embedded(folder, Text(text="W7"))
        np.testing.assert_allclose(found[0], expected(folder, [START, *body, END]), atol=1e-5)


def test_the_default_prompt(bert: Path) -> None:
    (bert / "config_sentence_transformers.json").write_text(
        json.dumps({"prompts": {"query": "w1 w2 "}, "default_prompt_name": "query"})
    )
    found, tokens = embedded(bert, text(3))
    assert tokens == 5
    row = [START, FIRST + 1, FIRST + 2, FIRST + 3, END]
    np.testing.assert_allclose(found[0], expected(bert, row), atol=1e-5)


def test_the_prompt_of_a_type_is_before_texts_only(bert: Path) -> None:
    (bert / "config_sentence_transformers.json").write_text(
        json.dumps({"prompts": {"query": "w1 w2 "}})
    )

    async def scenario(engine: OnnxEmbeddings) -> None:
        inputs = (text(3), Tokens(ids=(FIRST + 3,)))
        found = vectors(await engine.embed(EmbedRequest(inputs=inputs, input_type="query")))
        plain = [START, FIRST + 3, END]
        prompted = [START, FIRST + 1, FIRST + 2, FIRST + 3, END]
        for row, ids in zip(found, (prompted, plain), strict=True):
            np.testing.assert_allclose(row, expected(bert, ids), atol=1e-5)
        with pytest.raises(InvalidRequest) as caught:
            await engine.embed(EmbedRequest(inputs=inputs, input_type="colour"))
        assert caught.value.param == "input_type"

    with_engine(bert, scenario)


def test_dimensions_are_cut_and_normalised_again(bert: Path) -> None:
    async def scenario(engine: OnnxEmbeddings) -> None:
        inputs = (text(1, 2), text(3))
        whole = vectors(await engine.embed(EmbedRequest(inputs=inputs)))
        cut = await engine.embed(EmbedRequest(inputs=inputs, dimensions=5))
        short = whole[:, :5] / np.linalg.norm(whole[:, :5], axis=1, keepdims=True)
        assert cut.dimensions == 5
        np.testing.assert_allclose(vectors(cut), short, atol=1e-6)
        same = await engine.embed(EmbedRequest(inputs=inputs, dimensions=HIDDEN))
        np.testing.assert_array_equal(vectors(same), whole)
        for wrong in (0, HIDDEN + 1):
            with pytest.raises(InvalidRequest) as caught:
                await engine.embed(EmbedRequest(inputs=inputs, dimensions=wrong))
            assert caught.value.param == "dimensions"

    with_engine(bert, scenario)


def test_many_requests_at_once(bert: Path) -> None:
    random = np.random.default_rng(11)
    requests = [
        EmbedRequest(inputs=tuple(text(*random.integers(0, 50, random.integers(0, 20)))
                                  for _ in range(random.integers(1, 30))))
        for _ in range(40)
    ]  # fmt: skip

    async def scenario(engine: OnnxEmbeddings) -> None:
        alone = [await engine.embed(request) for request in requests]
        together = await asyncio.gather(*map(engine.embed, requests))
        for one, other in zip(alone, together, strict=True):
            np.testing.assert_allclose(vectors(one), vectors(other), atol=1e-5)
            assert one.prompt_tokens == other.prompt_tokens

    with_engine(bert, scenario, batch_tokens=64)


def test_pooling_is_read_from_the_folder(bert: Path) -> None:
    write_modules(bert, {"pooling_mode_cls_token": True})
    found, _ = embedded(bert, text(1, 2), text(1))
    row = np.array([[START, FIRST + 1, FIRST + 2, END]])
    first = hidden_states(bert, row, np.ones_like(row))[0, 0]
    np.testing.assert_allclose(found[0], first, atol=1e-5)


def test_a_graph_in_the_onnx_folder_with_token_types(bert: Path) -> None:
    """As the hub's own exports are."""
    import onnx
    from onnx import TensorProto, helper

    before, _ = embedded(bert, text(1, 2))
    graph = onnx.load(bert / "model.onnx")
    types = helper.make_tensor_value_info("token_type_ids", TensorProto.INT64, ["b", "s"])
    graph.graph.input.append(types)
    pooled = helper.make_tensor_value_info("pooler_output", TensorProto.FLOAT, None)
    graph.graph.output.insert(0, pooled)
    graph.graph.node.append(
        helper.make_node("ReduceMean", ["last_hidden_state"], ["pooler_output"])
    )
    (bert / "onnx").mkdir()
    onnx.save(graph, bert / "onnx" / "model.onnx")
    (bert / "model.onnx").unlink()
    after, _ = embedded(bert, text(1, 2))
    np.testing.assert_array_equal(before, after)


def refused(folder: Path | None, **options: Any) -> str:
    with pytest.raises((EngineFailed, Unavailable)) as caught:
        asyncio.run(OnnxEmbeddings.load("tiny", folder, options))
    assert "`tiny`" in caught.value.message
    return caught.value.message


def test_loads_that_fail_name_the_model_and_the_cause(bert: Path) -> None:
    assert "weights" in refused(None)
    assert "speed" in refused(bert, speed=2)
    assert "device" in refused(bert, device="abacus")
    assert "CUDA" in refused(bert, device="cuda")
    assert "threads" in refused(bert, threads=0)
    write_modules(bert, {}, "LSTM")
    assert "LSTM" in refused(bert)
    write_modules(bert, {}, "Dense")
    assert "2_Dense" in refused(bert)
    write_modules(bert, {})
    (bert / "tokenizer.json").write_text("{}")
    assert "tokenizer.json" in refused(bert)
    (bert / "tokenizer.json").unlink()
    assert "tokenizer.json" in refused(bert)


def test_broken_weights_fail_the_load(bert: Path) -> None:
    weights = bert / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert "ONNX Runtime" in refused(bert)
    (bert / "model.onnx").write_bytes(b"no graph")
    assert "ONNX Runtime" in refused(bert)
    (bert / "model.onnx").unlink()
    assert "model.onnx" in refused(bert)


@pytest.mark.real
@pytest.mark.parametrize(("model", "dimensions", "limit"), [
    ("all-MiniLM-L6-v2", 384, 256),
    ("all-mpnet-base-v2", 768, 384),
])  # fmt: skip
def test_the_default_models(model: str, dimensions: int, limit: int) -> None:
    settings = Settings(_env_file=None)
    path = Library(settings).pull(Catalog(settings).resolve(model).spec, NoProgress())
    assert path is not None
    texts = [
        "A man is eating a bowl of pasta.",
        "Someone has spaghetti for dinner.",
        "The stock market fell sharply on Monday.",
        "long " * 1000,
    ]
    found, tokens = embedded(path, *[Text(text=item) for item in texts])
    assert found.shape == (4, dimensions)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert found[0] @ found[1] > found[0] @ found[2] + 0.3
    short, _ = embedded(path, Text(text="long " * (limit - 2)))
    np.testing.assert_allclose(found[3], short[0], atol=1e-5)
    assert limit < tokens < limit + 40
