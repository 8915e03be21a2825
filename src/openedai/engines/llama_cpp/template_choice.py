"""Which chat template llama.cpp gets for a model.

The first of these that is there: the `chat_template` option, the `prompt_format` option, the
template in the GGUF file, the prompt format that the model's names tell. Without any, llama.cpp
would take ChatML for every model and say nothing.
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


def chosen_format(
    model: str, path: Path, *, chat_template: str | None, prompt_format: str | None
) -> PromptFormat | None:
    """The format for the model `model` with the weights in `path`, by its options.

    None keeps the template in the file. Blocking. Raises EngineFailed for a name that no format
    has, and for files that cannot be read.
    """
    try:
        if chat_template is not None:
            return PromptFormat("", _text(chat_template), stop=())
        if prompt_format is not None:
            return formats.prompt_format(prompt_format)
        return _by_the_file(model, path)
    except (OSError, ValueError) as error:
        raise EngineFailed(f"The model `{model}` could not be loaded: {error}.") from error


def _text(chat_template: str) -> str:
    if chat_template.endswith(".jinja"):
        return Path(chat_template).expanduser().read_text("utf-8")
    return chat_template


def _by_the_file(model: str, path: Path) -> PromptFormat | None:
    try:
        metadata = read_metadata(path).strings
    except ValueError as error:
        raise ValueError(f"{path.name} is no GGUF file, or a broken one") from error
    if metadata.get(_TEMPLATE):
        return None
    found = formats.detect_format((model, path.name, metadata.get(_NAME, "")))
    log.warning("The model `%s` has no chat template: prompt format `%s`", model, found.name)
    return found
