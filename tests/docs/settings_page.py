"""The text of docs/settings.md, made from the code. `scripts/settings-page` writes the file."""

from __future__ import annotations

import inspect
import json
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from openedai.cli.commands import serve
from openedai.config import AdapterSpec, ModelSpec, Settings
from openedai.engines.echo import EchoOptions
from openedai.engines.embedding.onnx import OnnxOptions
from openedai.engines.embedding.sentence_transformers import SentenceTransformersOptions
from openedai.engines.llama_cpp.options import LlamaOptions, SamplingDefaults
from openedai.engines.upstream.options import UpstreamOptions

OPTIONS: dict[str, type[msgspec.Struct]] = {
    "llama_cpp": LlamaOptions,
    "onnx_embeddings": OnnxOptions,
    "sentence_transformers": SentenceTransformersOptions,
    "upstream": UpstreamOptions,
    "echo": EchoOptions,
}

_EMBEDDING = {
    "device": "Where it runs; `embedding_device` unless it is given here.",
    "threads": "Threads of the computation; the cores that may be used, unless it is given.",
    "batch_tokens": "Tokens that run together, padding included; chosen by threads or device.",
}

MEANINGS: dict[str, dict[str, str]] = {
    "llama_cpp": {
        "context": "Tokens of prompt and answer together, for each slot.",
        "slots": "Requests that are worked on at once; more wait in the queue.",
        "threads": "Threads of the computation; the cores that may be used, unless it is given.",
        "batch": "The most prompt tokens that are computed in one go.",
        "gpu_layers": "Layers of the model that go to the GPU; -1 leaves it to llama.cpp.",
        "prompt_format": "How conversations are written for the model; see [prompt-formats.md]"
        "(prompt-formats.md).",
        "chat_template": "The same, as a Jinja chat template or the path of a `.jinja` file.",
        "server": "Which llama.cpp: `auto`, `wheel`, or the path of a `llama-server`.",
        "prompt_memory": "MiB for prompts that were computed and whose slot another conversation "
        "took; 0 keeps none.",
        "prompt_cache": "A folder where prompts that were computed are kept when the model is "
        "unloaded; see [models.md](models.md#prompts-kept-on-disk).",
        "adapters": "Set by the server, from the model's own key `adapters`.",
        "mmproj": "The file of the projector that lets the model see; a relative path begins at "
        "the folder of the weights. See [models.md](models.md#vision-models).",
        "sampling": "What a request that names no value gets; see the next table.",
    },
    "onnx_embeddings": _EMBEDDING,
    "sentence_transformers": _EMBEDDING,
    "upstream": {
        "url": "The address of the upstream, with or without `/v1`.",
        "urls": "The same for several that are equal, instead of `url`.",
        "server": "Which server it is, and so how it spells what the official API does not have; "
        "see [upstream.md](upstream.md#servers).",
        "key": "Its key; `$NAME` takes it from the environment.",
        "model": "What it calls the model; this model's id unless it is given.",
        "names": "With a `prefix`: names of models here, and what the upstream calls them.",
        "headers": "More headers for every request; values may be `$NAME` too.",
        "slots": "Requests at once, for all replicas together; more wait in the queue.",
        "retries": "How many more replicas are tried for a request.",
        "connect_timeout": "Seconds to connect, and for a check of a replica.",
        "first_byte_timeout": "Seconds until the first event of an answer, or all embeddings.",
        "idle_timeout": "Seconds between two events of an answer.",
        "health_interval": "Seconds between two checks of each of several replicas; 0 for none.",
    },
    "echo": {
        "reply": "Answer this text instead of the prompt.",
        "reveal": "Answer with the request as the engine sees it, as JSON.",
        "repeat": "Say the answer that many times.",
        "context": "Context length in tokens; a word is a token.",
        "slots": "Requests at once.",
        "dimensions": "Length of the embeddings.",
        "names": "The models that are said to be behind it, where it has a `prefix`.",
        "vision": "Take images.",
        "image_tokens": "Tokens that each image counts as.",
        "delay": "Seconds before each token, and before an embedding.",
        "fail_after": "Fail after that many tokens.",
        "crash_after": "Die after that many tokens, as a process would.",
        "load_delay": "Seconds that the load takes.",
        "load_error": "Fail to load, with this message.",
    },
}

SAMPLING = {
    "temperature": "How far the draw strays from the likeliest token; 0 never does.",
    "top_p": "Draw only from the likeliest tokens that have this share together.",
    "top_k": "Draw only from that many of the likeliest tokens; 0 for all.",
    "min_p": "Leave out tokens less likely than this share of the likeliest one; 0 for none.",
}

HEAD = """# Settings

<!-- Made by scripts/settings-page from the code. A test fails where the two differ. -->

A setting's value is taken from the first of these that has one:

1. a flag of `openedai serve`
2. the environment: `OPENEDAI_` and the name in capitals
3. a `.env` file in the working directory, with the same names
4. `openedai.toml` in the working directory; `--config` or `OPENEDAI_CONFIG` names another file
5. the default

Lists are written as JSON in the environment and in `.env`: `OPENEDAI_PRELOAD='["all"]'`. A name in
`openedai.toml` that is no setting, and a value that does not fit, end the command with exit code 2.

## The server
"""

MODELS = """
## Models

Each `[[models]]` table of `openedai.toml` describes one model; [models.md](models.md) says more.
"""

ADAPTERS = """
Each entry of `adapters` is a table:
"""

ENGINES = """
## Options of the engines

These go into a model's `options`. Unknown options are refused when the model is loaded. Any
engine also takes `worker`: true or false, whether it runs in a worker process. By default the
embedding engines do, `llama_cpp` has a child process of its own kind, `upstream` and `echo` have
none."""


def page() -> str:
    """The whole page."""
    sections = [
        HEAD,
        _settings(),
        MODELS,
        _table_keys(ModelSpec),
        ADAPTERS,
        _table_keys(AdapterSpec),
        ENGINES,
    ]
    for engine, options in OPTIONS.items():
        sections += [f"\n### {engine}\n", _options(options, MEANINGS[engine])]
        if engine == "llama_cpp":
            sections += ["\n`sampling` is a table:\n", _options(SamplingDefaults, SAMPLING)]
    return "\n".join(sections) + "\n"


def _settings() -> str:
    flags = inspect.signature(serve).parameters
    rows = [
        (
            f"`{name}`",
            f"`OPENEDAI_{name.upper()}`",
            f"`--{name.replace('_', '-')}`" if name in flags else "",
            _type_name(field.annotation),
            _default(name, field),
            field.description or "",
        )
        for name, field in Settings.model_fields.items()
    ]
    return _table(("In TOML", "Environment", "Flag", "Value", "Default", "Meaning"), rows)


def _table_keys(model: type[BaseModel]) -> str:
    rows = [
        (
            f"`{name}`",
            _type_name(field.annotation),
            "required" if field.is_required() else _default(name, field),
            field.description or "",
        )
        for name, field in model.model_fields.items()
    ]
    return _table(("Key", "Value", "Default", "Meaning"), rows)


def _options(options: type[msgspec.Struct], meanings: Mapping[str, str]) -> str:
    fields = msgspec.structs.fields(options)
    assert {field.name for field in fields} == set(meanings), f"options of {options.__name__}"
    rows = [
        (
            f"`{field.name}`",
            _type_name(field.type),
            "" if isinstance(field.default, msgspec.Struct) else _shown(field.default),
            meanings[field.name],
        )
        for field in fields
    ]
    return _table(("Option", "Value", "Default", "Meaning"), rows)


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [titles, tuple("---" for _ in titles), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _default(name: str, field: FieldInfo) -> str:
    if name == "cache_dir":
        return "`openedai` in the user's cache folder"
    value = field.get_default(call_default_factory=True, validated_data={})
    return _shown(value)


def _shown(value: Any) -> str:
    return "" if value in (None, (), {}, "", msgspec.NODEFAULT) else f"`{json.dumps(value)}`"


def _type_name(kind: Any) -> str:
    """What people write there; that it may be left out is not said."""
    if get_origin(kind) in (types.UnionType, Union):
        return _type_name(next(part for part in get_args(kind) if part is not type(None)))
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if get_origin(kind) is tuple:
        return f"list of {_type_name(get_args(kind)[0])}s"
    if hasattr(kind, "__metadata__"):
        return _type_name(get_args(kind)[0])
    if kind is bool:
        return "true or false"
    names = {int: "whole number", float: "number", str: "text", SecretStr: "text", Path: "path"}
    return names.get(kind, "table")


if __name__ == "__main__":
    print(page(), end="")
