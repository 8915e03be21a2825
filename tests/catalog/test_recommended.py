"""The recommended models: their list, their names, and the default that they may become."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from openedai.catalog.builtin import BUILTIN_MODELS, default_names
from openedai.catalog.catalog import Catalog
from openedai.catalog.defaults import CHAT, EMBEDDING
from openedai.catalog.recommended import Recommended, Use, recommended_models
from openedai.config import ConfigError, ModelSpec, Settings
from openedai.engines.llama_cpp.options import LlamaOptions
from openedai.engines.llama_cpp.pooled.embedder import LlamaEmbedderOptions
from openedai.errors import ModelNotFound
from openedai.weights.library import Library
from openedai.weights.sources.base import Access
from tests.weights.fakes.servers import HubServer

MODELS = recommended_models()
BUILTIN = [spec.id for spec in BUILTIN_MODELS]


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def settings(*models: ModelSpec, **given: Any) -> Settings:
    given = {"memory_budget": "64GB", "cache_dir": Path("cache"), **given}
    return Settings(_env_file=None, models=models, **given)


def catalog(*models: ModelSpec, **given: Any) -> Catalog:
    return Catalog(settings(*models, **given))


def ids(found: Catalog) -> list[str]:
    return [spec.id for spec in found.specs()]


def default(found: Catalog) -> str | None:
    model = found.default(CHAT)
    return None if model is None else model.id


def pull(*names: str) -> None:
    """From a hub that has a file of the right name for each."""
    with HubServer() as hub:
        for name in names:
            repo, _, quant = MODELS[name].source.removeprefix("hf:").partition(":")
            hub.add(f"/{repo}/m-{quant}.gguf", b"GGUF" + name.encode())
            if projector := MODELS[name].options.get("mmproj"):
                hub.add(f"/{repo}/{projector}", b"GGUF")
        library = Library(settings(), Access(hub_endpoint=hub.url, hub_cache=Path("hub")))
        for name in names:
            library.pull(MODELS[name].spec(name))


@pytest.mark.parametrize(("id", "model"), MODELS.items(), ids=MODELS)
def test_each_is_complete(id: str, model: Recommended) -> None:
    embeds = "embeddings" in model.uses
    kind: Any = LlamaEmbedderOptions if embeds else LlamaOptions
    msgspec.convert(model.options, kind)
    assert model.source.count(":") == 2  # the quantisation is pinned
    assert model.license
    assert 10**8 < model.download < model.memory < 2 * model.download + 4 * 10**9
    assert 0 <= model.active < model.download
    assert ("vision" in model.uses) == ("mmproj" in model.options)
    assert id not in {*BUILTIN, *(name for names in default_names().values() for name in names)}
    setting = "embedding_model" if embeds else "chat_model"
    found = catalog(**{setting: id})
    assert ids(found) == [*BUILTIN, id]
    chosen = found.default(EMBEDDING if embeds else CHAT)
    assert chosen is not None
    assert chosen.spec.source == model.source
    assert chosen.spec.license == model.license
    assert found.chat_choice == ("packaged" if embeds else "setting")


def test_each_use_has_several() -> None:
    for use in get_args(Use):
        assert sum(use in model.uses for model in MODELS.values()) >= 2, use


def test_they_are_not_listed_unless_chosen_or_on_disk() -> None:
    assert ids(catalog()) == BUILTIN
    with pytest.raises(ModelNotFound):
        catalog().resolve("qwen3-4b")
    assert catalog().known("qwen3-4b").spec.source == MODELS["qwen3-4b"].source
    assert catalog().known("gpt-4o").id == "smollm2-135m-instruct"
    with pytest.raises(ModelNotFound):
        catalog().known("qwen3-5b")
    preloading = catalog(preload=("qwen3-4b",))
    assert [spec.id for spec in preloading.preloaded(("qwen3-4b",))] == ["qwen3-4b"]
    assert (default(preloading), preloading.chat_choice) == ("smollm2-135m-instruct", "packaged")
    pull("bge-m3")
    assert ids(catalog()) == [*BUILTIN, "bge-m3"]
    assert ids(catalog(builtin_models=False)) == []
    assert ids(catalog(builtin_models=False, chat_model="qwen3-4b")) == ["qwen3-4b"]


def test_the_default_is_the_best_on_disk_that_fits() -> None:
    assert (default(catalog()), catalog().chat_choice) == ("smollm2-135m-instruct", "packaged")
    pull("qwen2.5-coder-7b", "bge-m3")  # neither is for chat
    assert default(catalog()) == "smollm2-135m-instruct"
    pull("qwen3-1.7b")
    pull("qwen3-4b")
    found = catalog()
    assert (default(found), found.chat_choice) == ("qwen3-4b", "disk")
    assert found.resolve("gpt-4o").id == "qwen3-4b"
    assert default(catalog(memory_budget="5GB")) == "qwen3-1.7b"
    small = catalog(memory_budget="1GB")
    assert (default(small), small.chat_choice) == ("smollm2-135m-instruct", "packaged")
    for name in ("smollm2-135m-instruct", "qwen3-1.7b"):
        pinned = catalog(chat_model=name)
        assert (default(pinned), pinned.chat_choice) == (name, "setting")


def test_what_is_pulled_later_is_there_until_it_is_removed() -> None:
    mine = ModelSpec(id="mine", engine="echo", aliases=("qwen3-1.7b",))
    pull("qwen3-8b")
    found = catalog(mine)
    start = [*BUILTIN, "qwen3-8b", "mine"]
    assert ids(found) == start
    pull("qwen3-4b", "qwen3-1.7b")
    assert found.resolve("qwen3-4b").spec.license == "Apache-2.0"
    assert found.resolve("qwen3-1.7b").id == "mine"
    assert default(found) == "qwen3-8b"
    assert [model.id for model in found.models()] == ids(found) == [*start, "qwen3-4b"]
    library = Library(settings(), Access())
    for id in ("qwen3-8b", "qwen3-4b"):
        library.remove(MODELS[id].spec(id))
    assert ids(found) == start  # one of the start may be the default
    with pytest.raises(ModelNotFound):
        found.resolve("qwen3-4b")
    assert ids(catalog(builtin_models=False)) == []


def test_incomplete_weights_are_no_default() -> None:
    pull("qwen3-4b")
    (weights,) = Path("cache").rglob("*.gguf")
    weights.unlink()
    assert default(catalog()) == "smollm2-135m-instruct"


def test_the_users_models_come_first() -> None:
    pull("qwen3-4b")
    mine = ModelSpec(id="mine", engine="echo", aliases=("qwen3-4b",))
    found = catalog(mine)
    assert found.resolve("qwen3-4b").id == "mine"
    assert (default(found), found.chat_choice) == ("smollm2-135m-instruct", "packaged")
    assert catalog(mine, chat_model="qwen3-4b").resolve("gpt-4o").id == "mine"
    replaced = ModelSpec(id="smollm2-135m-instruct", engine="echo")
    assert default(catalog(replaced)) == "smollm2-135m-instruct"
    upstream = ModelSpec(
        id="cloud", engine="upstream", prefix="qwen3-", options={"url": "http://a"}
    )
    assert catalog(upstream).resolve("qwen3-4b").spec.id == "cloud"


def test_a_model_that_cannot_do_the_work() -> None:
    with pytest.raises(
        ConfigError,
        match="chat_model 'bge-m3' cannot be the chat model: it runs on llama_cpp_embeddings",
    ):
        catalog(chat_model="bge-m3")
    with pytest.raises(ConfigError, match="openedai models suggest recommends others"):
        catalog(chat_model="qwen3-5b")


def test_a_request_for_one_that_is_not_on_disk_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="recommended model: `openedai models pull gemma-3-4b`"):
        catalog(cache_dir=tmp_path).resolve("gemma-3-4b")
    with pytest.raises(ModelNotFound, match=r"access to it\.$"):
        catalog(cache_dir=tmp_path).resolve("gemma-3-5b")
