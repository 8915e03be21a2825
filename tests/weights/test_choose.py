from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.errors import Unavailable
from openedai.weights.choose import PREFERRED_QUANTS, choose_folder, choose_gguf

SHARDS = [f"Q8_0/m-Q8_0-0000{n}-of-00003.gguf" for n in (1, 2, 3)]
REPO = [
    "README.md",
    "m-Q2_K.gguf",
    "m-Q4_K_M.gguf",
    "m-Q4_K_S.gguf",
    "m-UD-Q4_K_M.gguf",
    "m-IQ4_XS.gguf",
    "mmproj-F16.gguf",
    "m.imatrix.gguf",
    "m-F16.gguf",
    *SHARDS,
]
SENTENCES = [
    ".gitattributes",
    "1_Pooling/config.json",
    "2_Dense/config.json",
    "2_Dense/model.safetensors",
    "2_Dense/pytorch_model.bin",
    "README.md",
    "config.json",
    "model.safetensors",
    "modules.json",
    "onnx/config.json",
    "onnx/model.onnx",
    "onnx/model.onnx_data",
    "onnx/model_O3.onnx",
    "openvino/openvino_model.bin",
    "openvino/openvino_model.xml",
    "pytorch_model.bin",
    "rust_model.ot",
    "sentencepiece.bpe.model",
    "tf_model.h5",
    "tokenizer.json",
    "train_script.py",
    "vocab.txt",
]
CONFIG = {
    *("1_Pooling/config.json", "2_Dense/config.json", "README.md", "config.json", "modules.json"),
    *("sentencepiece.bpe.model", "tokenizer.json", "vocab.txt"),
}
PIPELINE = {
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.fp16.safetensors",
    "tokenizer/merges.txt",
    "tokenizer/vocab.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model-00001-of-00002.safetensors",
    "unet/diffusion_pytorch_model-00002-of-00002.safetensors",
    "unet/diffusion_pytorch_model.safetensors.index.json",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
}
NOT_OF_THE_PIPELINE = {
    "README.md",
    "pipeline.py",
    "unet/code.py",
    "unet/diffusion_pytorch_model.bin",
    "unet/diffusion_pytorch_model.fp16-00001-of-00001.safetensors",
    "unet/diffusion_pytorch_model.non_ema.safetensors",
    "v1-5-pruned.safetensors",
    "vae/diffusion_pytorch_model.fp16.safetensors",
}
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".ot", ".msgpack", ".py")


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        ("", ["m-Q4_K_M.gguf"]),
        ("Q4_K_M", ["m-Q4_K_M.gguf"]),
        ("q4_k_s", ["m-Q4_K_S.gguf"]),
        ("UD-Q4_K_M", ["m-UD-Q4_K_M.gguf"]),
        ("f16", ["m-F16.gguf"]),
        ("Q8_0", SHARDS),
        ("m-q2_k.gguf", ["m-Q2_K.gguf"]),
        ("m-Q8_0-00001-of-00003.gguf", SHARDS),
        (SHARDS[1], SHARDS),
    ],
)
def test_which_gguf(selector: str, chosen: list[str]) -> None:
    assert choose_gguf(reversed(REPO), selector) == tuple(chosen)


@pytest.mark.parametrize("selector", ["Q4", "Q4_K", "Q5_0", "4_K_M", "other.gguf"])
def test_no_such_gguf(selector: str) -> None:
    with pytest.raises(
        Unavailable, match=r"no GGUF file `.*there is: Q8_0/m-Q8_0-00001-of-00003.gguf, m-F16"
    ):
        choose_gguf(REPO, selector)


def test_a_missing_shard() -> None:
    with pytest.raises(Unavailable, match="not whole"):
        choose_gguf(SHARDS[:2], "Q8_0")


def test_without_a_known_quantisation() -> None:
    assert choose_gguf(["a.gguf", "a.txt"], "") == ("a.gguf",)
    with pytest.raises(Unavailable, match=r"name one of them: a\.gguf, b\.gguf"):
        choose_gguf(["a.gguf", "b.gguf"], "")
    with pytest.raises(Unavailable, match="no GGUF file"):
        choose_gguf(["model.safetensors"], "")


def test_weights_that_are_there_whole_and_in_shards() -> None:
    shards = [f"m-Q8_0-0000{n}-of-00002.gguf" for n in (1, 2)]
    assert choose_gguf([*shards, "m-Q8_0.gguf"], "Q8_0") == ("m-Q8_0.gguf",)
    assert choose_gguf([shards[0], "m-Q8_0.gguf"], "Q8_0") == ("m-Q8_0.gguf",)
    assert choose_gguf([*shards, "m-Q8_0.gguf"], shards[0]) == tuple(shards)


@given(st.sets(st.sampled_from(PREFERRED_QUANTS), min_size=1))
def test_the_preferred_quantisation_is_taken(quants: set[str]) -> None:
    names = [f"Some-Model-7B.{quant}.gguf" for quant in quants]
    best = min(quants, key=PREFERRED_QUANTS.index)
    assert choose_gguf(names, "") == (f"Some-Model-7B.{best}.gguf",)
    for quant in quants:
        assert choose_gguf(names, quant.lower()) == (f"Some-Model-7B.{quant}.gguf",)


@given(st.integers(1, 30), st.data())
def test_all_shards_are_chosen_in_order(count: int, data: st.DataObject) -> None:
    shards = [f"m-Q4_0-{n:05}-of-{count:05}.gguf" for n in range(1, count + 1)]
    shuffled = data.draw(st.permutations(shards))
    assert choose_gguf(shuffled, "Q4_0") == tuple(shards)
    if count > 1:
        with pytest.raises(Unavailable):
            choose_gguf(shuffled[1:], "Q4_0")


def test_a_folder_for_onnx_takes_the_onnx_file() -> None:
    chosen = choose_folder(SENTENCES, "onnx_embeddings")
    assert chosen.pop("onnx/model.onnx") == "model.onnx"
    assert chosen.pop("onnx/model.onnx_data") == "model.onnx_data"
    assert set(chosen) == CONFIG | {"2_Dense/model.safetensors"}
    assert all(name == target for name, target in chosen.items())


def test_a_folder_for_onnx_takes_a_named_file() -> None:
    chosen = choose_folder(SENTENCES, "onnx_embeddings", "onnx/model_O3.onnx")
    assert [name for name in chosen if name.endswith(".onnx")] == ["onnx/model_O3.onnx"]
    assert chosen["onnx/model_O3.onnx"] == "model.onnx"
    for name in ("onnx/other.onnx", "config.json"):
        with pytest.raises(Unavailable, match=f"no file `{name}`"):
            choose_folder(SENTENCES, "onnx_embeddings", name)


def test_a_folder_for_onnx_without_one_takes_safetensors() -> None:
    names = [name for name in SENTENCES if not name.startswith("onnx/")]
    chosen = choose_folder(names, "onnx_embeddings")
    assert set(chosen) == CONFIG | {"model.safetensors", "2_Dense/model.safetensors"}


def test_a_folder_for_sentence_transformers() -> None:
    chosen = choose_folder(SENTENCES, "sentence_transformers")
    assert set(chosen) == CONFIG | {"model.safetensors", "2_Dense/model.safetensors"}


def test_weights_in_shards() -> None:
    names = ["config.json", *(f"model-0000{n}-of-00002.safetensors" for n in (1, 2))]
    assert set(choose_folder(names, "sentence_transformers")) == set(names)


def test_a_folder_with_only_pickles() -> None:
    names = [name for name in SENTENCES if not name.endswith((".safetensors", ".onnx"))]
    with pytest.raises(Unavailable, match="neither ONNX nor safetensors"):
        choose_folder(names, "onnx_embeddings")


@given(
    st.sets(
        st.builds(
            "{}{}{}".format,
            st.sampled_from(["", "onnx/", "openvino/", "0_Transformer/", "a/b/", ".git/"]),
            st.sampled_from(["model", "pytorch_model", "config"]),
            st.sampled_from([".safetensors", ".onnx", ".json", *PICKLES]),
        )
    ),
    st.sampled_from(["onnx_embeddings", "sentence_transformers"]),
)
def test_never_a_pickle_and_never_nothing(names: set[str], engine: str) -> None:
    try:
        chosen = choose_folder(names, engine)
    except Unavailable:
        return
    assert not any(name.endswith(PICKLES) for name in chosen)
    assert set(chosen) <= names
    assert any(name.endswith((".safetensors", ".onnx")) for name in chosen)
    assert len(set(chosen.values())) == len(chosen)


def test_a_pipeline_without_superfluous_variants_code_and_pickles() -> None:
    files = choose_folder(PIPELINE | NOT_OF_THE_PIPELINE, "diffusers")
    assert files == {name: name for name in PIPELINE}


def test_no_pipeline() -> None:
    with pytest.raises(Unavailable, match="no weights that diffusers can take"):
        choose_folder(NOT_OF_THE_PIPELINE, "diffusers")
    with pytest.raises(Unavailable, match="no file `fp16` that diffusers can take"):
        choose_folder(PIPELINE, "diffusers", "fp16")


def test_a_folder_of_ctranslate2() -> None:
    whisper = ["config.json", "model.bin", "preprocessor_config.json", "tokenizer.json"]
    for vocabulary in ("vocabulary.txt", "vocabulary.json"):
        names = [*whisper, vocabulary, "README.md", ".gitattributes", "pytorch_model.bin", "run.py"]
        chosen = [*whisper, vocabulary]
        assert choose_folder(names, "whisper") == {name: name for name in chosen}
    with pytest.raises(Unavailable, match="no weights that whisper can take"):
        choose_folder(["config.json", "model.safetensors"], "whisper")


def test_a_folder_with_only_a_graph() -> None:
    names = ["README.md", "open-nsfw.onnx", "more/other.onnx"]
    assert choose_folder(names, "open_nsfw") == {"open-nsfw.onnx": "open-nsfw.onnx"}
    with pytest.raises(Unavailable, match="no weights that open_nsfw can take"):
        choose_folder(["README.md", "model.safetensors"], "open_nsfw")
