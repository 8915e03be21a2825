"""The engines: one entry for each, with everything that the rest of the server has to know about
it.

Entries are read without importing the engine; its module is imported when a class is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

from openedai.contract.engine import (
    Decider,
    Directory,
    Embedder,
    Engine,
    Generator,
    ImageMaker,
    ImageModerator,
    Moderator,
    Reranker,
    Speaker,
    Tokenizer,
    Traits,
    Transcriber,
)
from openedai.errors import Unavailable

WeightFiles = Literal["gguf", "onnx", "safetensors", "ctranslate2", "voice", "pipeline", "graph"]

# The names with which a model's options declare its capabilities.
DECLARED: Mapping[str, type[Engine]] = {
    "chat": Generator,
    "embedding": Embedder,
    "rerank": Reranker,
    "transcription": Transcriber,
    "speech": Speaker,
    "image": ImageMaker,
    "moderation": Moderator,
    "image_moderation": ImageModerator,
}


@dataclass(frozen=True)
class EngineEntry:
    """One engine.

    - `class_path`: its module and class, as `module:Class`
    - `capabilities`: the classes of `openedai.contract.engine` that its class inherits
    - `capabilities_option`: the option that declares which of them a model has, for an engine
      that cannot know
    - `optional_capabilities`: those that a model has only with an option, by the option's name
    - `unlikely_capabilities`: those for which a model is not the default unless it declares them
      or the settings name it
    - `weight_files`: what it loads: a GGUF file, a sentence-transformers folder with an ONNX
      graph or with safetensors, or the folder of a CTranslate2 model, of a voice or of a
      diffusers pipeline, or only an ONNX graph; None for an engine without weights
    - `projector_option`: the option that names the file of the projector for images
    - `in_worker`: whether each of its models gets a worker process
    - `passes_unknown_parameters`: whether requests may have parameters that this server does not
      know
    - `speaks_official_api`: whether it passes these on to a server with the official API, and with
      them the official parameters that have no effect here
    - `takes_adapters`: whether its models may have LoRA adapters
    - `takes_device`: whether the setting `embedding_device` is for it
    - `takes_builds`: whether its option `library` may be the name of a build that was pulled
    - `secret_options`: options whose values are never displayed
    - `runs_unlisted`: the capability for which it runs default models that are not in the
      catalogue; one engine at most for each capability
    """

    class_path: str
    capabilities: frozenset[type[Engine]]
    capabilities_option: str | None = None
    optional_capabilities: Mapping[str, type[Engine]] = field(default_factory=dict)
    unlikely_capabilities: frozenset[type[Engine]] = frozenset()
    weight_files: WeightFiles | None = None
    projector_option: str | None = None
    in_worker: bool = False
    passes_unknown_parameters: bool = False
    speaks_official_api: bool = False
    takes_adapters: bool = False
    takes_device: bool = False
    takes_builds: bool = False
    secret_options: frozenset[str] = frozenset()
    runs_unlisted: type[Engine] | None = None


ENGINES = {
    "echo": EngineEntry(
        class_path="openedai.engines.echo.engine:Echo",
        capabilities=frozenset(
            {
                Generator,
                Embedder,
                Reranker,
                Moderator,
                ImageModerator,
                Tokenizer,
                Decider,
                Transcriber,
                Speaker,
                ImageMaker,
                Directory,
            }
        ),
        takes_adapters=True,
    ),
    "diffusers": EngineEntry(
        class_path="openedai.engines.diffusers.engine:Diffusers",
        capabilities=frozenset({ImageMaker}),
        weight_files="pipeline",
        in_worker=True,
    ),
    "llama_cpp": EngineEntry(
        class_path="openedai.engines.llama_cpp.engine:LlamaCpp",
        capabilities=frozenset({Generator, Tokenizer, Decider, Moderator}),
        optional_capabilities={"moderation": Moderator},
        weight_files="gguf",
        projector_option="mmproj",
        in_worker=True,
        takes_adapters=True,
        takes_builds=True,
        runs_unlisted=Generator,
    ),
    "llama_cpp_embeddings": EngineEntry(
        class_path="openedai.engines.llama_cpp.pooled.embedder:LlamaCppEmbedder",
        capabilities=frozenset({Embedder}),
        weight_files="gguf",
        in_worker=True,
        takes_builds=True,
    ),
    "llama_cpp_reranker": EngineEntry(
        class_path="openedai.engines.llama_cpp.pooled.reranker:LlamaCppReranker",
        capabilities=frozenset({Reranker}),
        weight_files="gguf",
        in_worker=True,
        takes_builds=True,
    ),
    "onnx_embeddings": EngineEntry(
        class_path="openedai.engines.embedding.onnx:OnnxEmbeddings",
        capabilities=frozenset({Embedder, Moderator, Tokenizer}),
        optional_capabilities={"moderation": Moderator},
        weight_files="onnx",
        in_worker=True,
        takes_device=True,
        runs_unlisted=Embedder,
    ),
    "onnx_reranker": EngineEntry(
        class_path="openedai.engines.reranker.onnx:OnnxReranker",
        capabilities=frozenset({Reranker}),
        weight_files="onnx",
        in_worker=True,
        takes_device=True,
        runs_unlisted=Reranker,
    ),
    "onnx_classifier": EngineEntry(
        class_path="openedai.engines.moderation.onnx:OnnxClassifier",
        capabilities=frozenset({Moderator}),
        weight_files="onnx",
        in_worker=True,
        takes_device=True,
    ),
    "open_nsfw": EngineEntry(
        class_path="openedai.engines.moderation.open_nsfw:OpenNsfw",
        capabilities=frozenset({ImageModerator}),
        weight_files="graph",
        in_worker=True,
    ),
    "sentence_transformers": EngineEntry(
        class_path="openedai.engines.embedding.sentence_transformers:SentenceTransformers",
        capabilities=frozenset({Embedder}),
        weight_files="safetensors",
        in_worker=True,
        takes_device=True,
    ),
    "a1111": EngineEntry(
        class_path="openedai.engines.a1111.engine:A1111",
        capabilities=frozenset({ImageMaker, Directory}),
        passes_unknown_parameters=True,
        secret_options=frozenset({"auth", "headers"}),
    ),
    "comfyui": EngineEntry(
        class_path="openedai.engines.comfyui.engine:ComfyUI",
        capabilities=frozenset({ImageMaker, Directory}),
        passes_unknown_parameters=True,
        secret_options=frozenset({"headers"}),
    ),
    "whisper": EngineEntry(
        class_path="openedai.engines.whisper.engine:Whisper",
        capabilities=frozenset({Transcriber}),
        weight_files="ctranslate2",
        in_worker=True,
    ),
    "kokoro": EngineEntry(
        class_path="openedai.engines.speech.kokoro:Kokoro",
        capabilities=frozenset({Speaker}),
        weight_files="voice",
        in_worker=True,
    ),
    "piper": EngineEntry(
        class_path="openedai.engines.speech.piper:Piper",
        capabilities=frozenset({Speaker}),
        weight_files="voice",
        in_worker=True,
    ),
    # Its voice is part of the hibari-tts package.
    "hibari": EngineEntry(
        class_path="openedai.engines.speech.hibari:Hibari",
        capabilities=frozenset({Speaker}),
        in_worker=True,
    ),
    "upstream": EngineEntry(
        class_path="openedai.engines.upstream.engine:Upstream",
        capabilities=frozenset(
            {Generator, Embedder, Reranker, Moderator, ImageModerator}
            | {Transcriber, Speaker, ImageMaker, Directory}
        ),
        capabilities_option="capabilities",
        unlikely_capabilities=frozenset(
            {Reranker, Moderator, ImageModerator, Transcriber, Speaker, ImageMaker}
        ),
        passes_unknown_parameters=True,
        speaks_official_api=True,
        secret_options=frozenset({"key", "headers"}),
    ),
}

# Hidden for every engine: a table with the wrong engine may also contain them.
SECRET_OPTIONS = frozenset[str]().union(*(entry.secret_options for entry in ENGINES.values()))


SAFETENSORS_ENGINE = "sentence_transformers"
"""An engine whose weights are a folder of safetensors, which training takes too."""


def engine_entry(name: str) -> EngineEntry:
    """The entry of an engine. Raises Unavailable for an unknown name."""
    try:
        return ENGINES[name]
    except KeyError:
        known = ", ".join(sorted(ENGINES))
        raise Unavailable(f"There is no engine `{name}`. Known engines: {known}.") from None


def engine_of_builds() -> str:
    """The engine whose models can use the builds that `openedai engines` fetches."""
    return next(name for name, entry in ENGINES.items() if entry.takes_builds)


def engine_class(name: str) -> type[Engine]:
    """The class of an engine. Importing it does not import its heavy library.

    Raises Unavailable for an unknown name.
    """
    module, _, attribute = engine_entry(name).class_path.partition(":")
    found: type[Engine] = getattr(import_module(module), attribute)
    return found


def capabilities_of(name: str, options: Mapping[str, Any]) -> frozenset[type[Engine]]:
    """The capabilities of a model with these options: those of its engine, or those that the
    options declare.
    """
    entry = engine_entry(name)
    optional = entry.optional_capabilities.items()
    missing = {capability for option, capability in optional if not options.get(option)}
    if declared := _declared(entry, options):
        missing |= set(DECLARED.values()) - declared
    return entry.capabilities - missing


def default_capabilities_of(name: str, options: Mapping[str, Any]) -> frozenset[type[Engine]]:
    """The capabilities for which a model with these options may be the default, unless the settings
    name another.
    """
    entry = engine_entry(name)
    if _declared(entry, options):
        return capabilities_of(name, options)
    return capabilities_of(name, options) - entry.unlikely_capabilities


def _declared(entry: EngineEntry, options: Mapping[str, Any]) -> frozenset[type[Engine]]:
    """The declared capabilities; empty if there are none. Wrong names are left for the engine to
    refuse.
    """
    names = options.get(entry.capabilities_option) if entry.capabilities_option else None
    if not isinstance(names, list | tuple):
        return frozenset()
    return frozenset(DECLARED[name] for name in names if name in DECLARED)


def generator_traits(name: str, options: Mapping[str, Any]) -> Traits | None:
    """The properties of a model with these options; None for an engine that generates no text."""
    engine = engine_class(name)
    if not issubclass(engine, Generator) or Generator not in capabilities_of(name, options):
        return None
    return engine.traits(options)


def engine_for_unlisted(capability: type[Engine]) -> str:
    """The engine that runs default models which are not in the catalogue."""
    return next(name for name, entry in ENGINES.items() if entry.runs_unlisted is capability)


def engine_for_gguf(capability: type[Engine]) -> str:
    """The engine that has a capability with GGUF files."""
    entries = ENGINES.items()
    return next(
        name
        for name, entry in entries
        if entry.weight_files == "gguf" and capability in entry.capabilities
    )
