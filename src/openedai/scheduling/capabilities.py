"""The errors for what a model cannot do."""

from __future__ import annotations

from openedai.config import ModelSpec
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
    Transcriber,
)
from openedai.errors import Unsupported

CAPABILITY_NAMES: dict[type[Engine], str] = {
    Generator: "text generation",
    Embedder: "embeddings",
    Reranker: "reranking",
    Decider: "decisions",
    Moderator: "moderation",
    ImageModerator: "moderation of images",
    Tokenizer: "counting and showing its tokens",
    Transcriber: "transcription",
    Speaker: "speech",
    ImageMaker: "images",
    Directory: "a list of models",
}


def unsupported(spec: ModelSpec, capability: type[Engine]) -> Unsupported:
    name = CAPABILITY_NAMES.get(capability, capability.__name__)
    return Unsupported(
        f"The model `{spec.id}` does not support {name}.",
        code="unsupported_model",
        param="model",
    )
