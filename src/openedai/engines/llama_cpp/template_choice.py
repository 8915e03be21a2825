"""The choice of the chat template that llama.cpp uses for a model.

The first of these that exists: the `chat_template` option, the `prompt_format` option, the
template in the GGUF file, the prompt format that fits the model's names. Without any, llama.cpp
would silently use ChatML for every model.
"""

from __future__ import annotations

import logging
from pathlib import Path

from openedai.errors import EngineFailed
from openedai.gguf.header import read_metadata
from openedai.prompts import prompt_formats as formats
from openedai.prompts.prompt_formats import PromptFormat

log = logging.getLogger("openedai.engines")

_NAME = "general.name"
_TEMPLATE = "tokenizer.chat_template"


def choose_format(
    model: str, path: Path, *, chat_template: str | None, prompt_format: str | None
) -> PromptFormat | None:
    """The format for the model `model` with the weights in `path`, by its options.

    None keeps the template in the file. Blocking. Raises EngineFailed for an unknown format
    and for files that cannot be read.
    """
    try:
        if chat_template is not None:
            return PromptFormat("", _template_text(chat_template), stop=())
        if prompt_format is not None:
            return formats.prompt_format(prompt_format)
        return _format_of_weights(model, path)
    except (OSError, ValueError) as error:
        raise EngineFailed(f"The model `{model}` could not be loaded: {error}.") from error


def _template_text(chat_template: str) -> str:
    if chat_template.endswith(".jinja"):
        return Path(chat_template).expanduser().read_text("utf-8")
    return chat_template


def _format_of_weights(model: str, path: Path) -> PromptFormat | None:
    try:
        metadata = read_metadata(path).strings
    except ValueError as error:
        raise ValueError(f"{path.name} is no GGUF file, or a broken one") from error
    if metadata.get(_TEMPLATE):
        return None
    found = formats.detect_format((model, path.name, metadata.get(_NAME, "")))
    log.warning("The model `%s` has no chat template: prompt format `%s`", model, found.name)
    return found
