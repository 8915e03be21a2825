"""Engine names to classes, imported when they are first needed."""

from __future__ import annotations

from importlib import import_module

from openedai.contract.engine import Engine
from openedai.errors import Unavailable

ENGINES = {
    "echo": "openedai.engines.echo:Echo",
    "llama_cpp": "openedai.engines.llama_cpp.engine:LlamaCpp",
    "onnx_embeddings": "openedai.engines.embedding.onnx:OnnxEmbeddings",
    "sentence_transformers": (
        "openedai.engines.embedding.sentence_transformers:SentenceTransformers"
    ),
    "upstream": "openedai.engines.upstream.engine:Upstream",
}

# Python engines that get a worker process of their own. `llama_cpp` starts its own kind of
# child, and `echo` needs none.
HOSTED = frozenset({"onnx_embeddings", "sentence_transformers"})

# Engines that take parameters which are not known here.
OPEN = frozenset({"upstream"})

# Options that are nobody's business but the engine's.
SECRET_OPTIONS = frozenset({"key", "headers"})


def engine_class(name: str) -> type[Engine]:
    """The class behind an engine's name. Importing it does not import its heavy library."""
    try:
        module, _, attribute = ENGINES[name].partition(":")
    except KeyError:
        known = ", ".join(sorted(ENGINES))
        raise Unavailable(f"There is no engine `{name}`. Known engines: {known}.") from None
    found: type[Engine] = getattr(import_module(module), attribute)
    return found
