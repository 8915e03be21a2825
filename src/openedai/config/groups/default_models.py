"""Settings: models."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from openedai.config.sources import Secret
from openedai.config.specs import ModelSpec


@dataclass(frozen=True, init=False)
class DefaultModels:
    """Which models there are, and the default ones."""

    models: Annotated[
        tuple[ModelSpec, ...],
        "Models added to the built-in ones, or replacing those of the same id.",
    ] = ()
    builtin_models: Annotated[bool, "Offer the built-in models."] = True
    chat_model: Annotated[
        str,
        "The default model for chat and completions. Unless it is set, a recommended model "
        "on disk goes before the built-in one.",
    ] = "smollm2-135m-instruct"
    embedding_model: Annotated[str, "The default model for embeddings."] = "all-mpnet-base-v2"
    rerank_model: Annotated[
        str,
        "The default model for reranking; empty for the first reranker, or else the default "
        "model for embeddings.",
    ] = ""
    transcription_model: Annotated[
        str,
        "The default model for transcription; empty for the first that can do it.",
    ] = ""
    speech_model: Annotated[
        str, "The default model for speech; empty for the first that can do it."
    ] = ""
    image_model: Annotated[
        str,
        "The default model for images; empty for the first that can make them.",
    ] = ""
    moderation_model: Annotated[
        str,
        "The default model for moderation; empty for the default embedding model if it "
        "can do it, and else the first that can.",
    ] = ""
    image_moderation_model: Annotated[
        str,
        "The default model for images in moderations; empty for the first that can score them.",
    ] = ""
    moderation_thresholds: Annotated[
        dict[str, Annotated[float, Meta(ge=0, le=1)]],
        "The score from which on a category is flagged, by its name; those of the model for "
        "the others.",
    ] = dataclasses.field(default_factory=dict)
    sd_webui_url: Annotated[
        Secret | None,
        "The address of a Stable Diffusion web UI, or several with commas between, "
        "for the model `sd-webui`. The variable `SD_WEBUI_URL` has the same effect.",
    ] = None
    embedding_device: Annotated[
        str, "Device for embeddings and rerankers: cpu or cuda, if the engine supports it."
    ] = "cpu"
    default_aliases: Annotated[
        bool,
        "Names that apps hard-code, such as gpt-4o, refer to the default models.",
    ] = True
    listed_aliases: Annotated[
        tuple[str, ...],
        "Aliases that `GET /v1/models` lists beside the ids, for apps that look for a name there.",
    ] = ()
    preload: Annotated[
        tuple[str, ...],
        "Models to load at the start: names, `default` for the default chat model, `all` for each.",
    ] = ()
