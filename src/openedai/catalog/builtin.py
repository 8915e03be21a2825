"""The models that need no configuration, and the names that apps hard-code."""

from __future__ import annotations

import tomllib
from importlib import resources

import msgspec

from openedai.config import ModelSpec

BUILTIN_MODELS = (
    ModelSpec(
        id="smollm2-135m-instruct",
        engine="llama_cpp",
        source="pypi:smollm2-135m-instruct",
        requantise="mixed",
        options={"context": 4096, "slots": 8, "sampling": {"temperature": 0.2, "top_p": 0.9}},
    ),
    ModelSpec(
        id="qwen2.5-coder-0.5b-instruct",
        engine="llama_cpp",
        source="pypi:qwen2.5-coder-0.5b-instruct",
        requantise="mixed",
        options={"context": 8192, "slots": 4, "sampling": {"temperature": 0.7, "top_p": 0.8}},
    ),
    ModelSpec(
        id="qwen2.5-coder-1.5b-instruct",
        engine="llama_cpp",
        source="pypi:qwen2.5-coder-1.5b-instruct",
        options={"context": 8192, "slots": 4, "sampling": {"temperature": 0.7, "top_p": 0.8}},
    ),
    ModelSpec(
        id="all-mpnet-base-v2",
        engine="onnx_embeddings",
        source="pypi:all-mpnet-base-v2",
        aliases=("sentence-transformers/all-mpnet-base-v2",),
    ),
    ModelSpec(
        id="all-MiniLM-L6-v2",
        engine="onnx_embeddings",
        source="pypi:all-MiniLM-L6-v2",
        options={"moderation": "all-MiniLM-L6-v2"},
        aliases=("sentence-transformers/all-MiniLM-L6-v2",),
    ),
    ModelSpec(
        id="whisper-base",
        engine="whisper",
        source="pypi:whisper-base",
        aliases=("Systran/faster-whisper-base",),
    ),
    ModelSpec(
        id="whisper-tiny.en",
        engine="whisper",
        source="pypi:whisper-tiny.en",
        aliases=("Systran/faster-whisper-tiny.en",),
    ),
    ModelSpec(id="hibari", engine="hibari", license="Apache-2.0"),
    ModelSpec(id="kokoro-82m", engine="kokoro", source="pypi:kokoro-82m"),
    ModelSpec(id="open-nsfw", engine="open_nsfw", source="pypi:open-nsfw"),
)

# Offered where the setting `sd_webui_url` says where it is.
WEBUI_MODEL = ModelSpec(id="sd-webui", engine="a1111")


def default_names() -> dict[str, tuple[str, ...]]:
    """The names for the default models, by kind."""
    text = resources.files("openedai.catalog").joinpath("names.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), type=dict[str, tuple[str, ...]])
