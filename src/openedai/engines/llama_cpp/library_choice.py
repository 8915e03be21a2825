"""Which build of llama.cpp a model runs on."""

from __future__ import annotations

import logging
from pathlib import Path

from openedai.engines.llama_cpp.native.library import Library
from openedai.engines.llama_cpp.options import LlamaOptions
from openedai.errors import EngineFailed

log = logging.getLogger("openedai.engines")


def choose_library(options: LlamaOptions) -> Library:
    """Open the build that the options name. Only the package's build can read images, so it is used
    if there is a projector, and if the build chosen by "auto" does not work. Raises EngineFailed.
    """
    if options.mmproj is not None or options.library == "wheel":
        return Library()
    if options.library != "auto":
        return Library(Path(options.library).expanduser().absolute())
    if options.pulled is not None:
        try:
            return Library(Path(options.pulled))
        except EngineFailed as error:
            log.warning("The build of llama.cpp that was pulled is not used: %s", error.message)
    return Library()
