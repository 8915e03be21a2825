"""The options of a `llama_cpp` model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from openedai.contract.adapter import Adapter
from openedai.engines.moderation.guards import GuardOption
from openedai.engines.options import parse_options
from openedai.prompts.tool_call_formats import MAX_CALLS

# The stack size of a thread that tokenises, in bytes: llama.cpp's tokenizers recurse for each
# character of some texts.
STACK_SIZE = 256 << 20


class SamplingDefaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The values for requests that give none; the API's own defaults unless configured.

    `top_k` 0 and `min_p` 0 leave every token in the draw.
    """

    temperature: Annotated[float, Meta(ge=0, le=2)] = 1.0
    top_p: Annotated[float, Meta(ge=0, le=1)] = 1.0
    top_k: Annotated[int, Meta(ge=0, lt=1 << 31)] = 0
    min_p: Annotated[float, Meta(ge=0, le=1)] = 0.0


DEFAULT_CONTEXT = 8192  # tokens


class LlamaOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of one model.

    `context` is in tokens, for each of the `slots` that run at once. `threads` None takes
    as many as cores are free. `batch` is the most prompt tokens computed in one step.
    `prompt_format` is a name of `openedai.prompts.prompt_formats`; `chat_template` is Jinja, or
    the path of a .jinja file, and goes before it (see `template_choice`). `prompt_cache` is a
    folder. `prompt_memory` is the most MiB kept of prompts whose slot another conversation took.
    `mmproj` is the projector for images; a relative path is relative to the folder of the weights.
    `max_tool_calls` is the most tool calls in one answer. `adapters` come from the model's own key
    of that name. `library` is "auto", "wheel" or the path of a build of llama.cpp; `pulled` is the
    path of the one that "auto" takes if it works. `moderation` is the guard that the model is.
    """

    context: Annotated[int, Meta(ge=1, lt=1 << 31)] = DEFAULT_CONTEXT
    slots: Annotated[int, Meta(ge=1, le=256)] = 4
    threads: Annotated[int, Meta(ge=1, le=512)] | None = None
    batch: Annotated[int, Meta(ge=1, le=1 << 16)] = 256
    gpu_layers: Annotated[int, Meta(ge=-1, lt=1 << 31)] = -1
    prompt_format: str | None = None
    chat_template: str | None = None
    prompt_memory: Annotated[int, Meta(ge=0)] = 256
    prompt_cache: str | None = None
    max_tool_calls: Annotated[int, msgspec.Meta(ge=1, le=128)] = MAX_CALLS
    adapters: tuple[Adapter, ...] = ()
    mmproj: str | None = None
    library: str = "auto"
    pulled: str | None = None
    sampling: SamplingDefaults = SamplingDefaults()
    moderation: GuardOption | None = None


def read_options(
    model: str, options: Mapping[str, Any], adapters: Sequence[Adapter] = ()
) -> LlamaOptions:
    """The options of a model, checked, with its own `adapters`. Raises EngineFailed."""
    known = parse_options(LlamaOptions, model, options)
    if adapters:
        known = msgspec.structs.replace(known, adapters=tuple(adapters))
    return known
