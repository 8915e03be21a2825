"""The text of docs/settings.md, made from the code. `scripts/settings-page` writes the file."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from openedai.cli.commands import serve
from openedai.config import AdapterSpec, ModelSpec, Price, Secret, Settings
from openedai.config.limits import LimitRule, Limits, LimitSettings
from openedai.engines.a1111.options import A1111Options
from openedai.engines.comfyui.options import ComfyOptions
from openedai.engines.diffusers.options import DiffusersOptions
from openedai.engines.echo.options import EchoOptions
from openedai.engines.embedding.onnx import OnnxEmbeddingsOptions, OnnxOptions
from openedai.engines.embedding.sentence_transformers import SentenceTransformersOptions
from openedai.engines.llama_cpp.options import LlamaOptions, SamplingDefaults
from openedai.engines.llama_cpp.pooled.embedder import LlamaEmbedderOptions
from openedai.engines.llama_cpp.pooled.loading import PooledOptions
from openedai.engines.moderation.onnx import OnnxClassifierOptions
from openedai.engines.moderation.open_nsfw import OpenNsfwOptions
from openedai.engines.speech.hibari import HibariOptions
from openedai.engines.speech.kokoro import KokoroOptions
from openedai.engines.speech.piper import PiperOptions
from openedai.engines.upstream.options import UpstreamOptions
from openedai.engines.whisper.engine import WhisperOptions

OPTIONS: dict[str, type[msgspec.Struct]] = {
    "llama_cpp": LlamaOptions,
    "llama_cpp_embeddings": LlamaEmbedderOptions,
    "llama_cpp_reranker": PooledOptions,
    "onnx_embeddings": OnnxEmbeddingsOptions,
    "onnx_reranker": OnnxOptions,
    "onnx_classifier": OnnxClassifierOptions,
    "open_nsfw": OpenNsfwOptions,
    "sentence_transformers": SentenceTransformersOptions,
    "whisper": WhisperOptions,
    "hibari": HibariOptions,
    "kokoro": KokoroOptions,
    "piper": PiperOptions,
    "upstream": UpstreamOptions,
    "a1111": A1111Options,
    "diffusers": DiffusersOptions,
    "comfyui": ComfyOptions,
    "echo": EchoOptions,
}

_ONNX = {
    "device": "The device; the setting `embedding_device` by default.",
    "threads": "Threads of the computation; by default the number of cores that may be used.",
    "batch_tokens": "Tokens that run together, padding included; chosen by threads or device.",
}
_EMBEDDING = {
    **_ONNX,
    "cache": "MiB for the vectors of the inputs that were computed last; 0 keeps none.",
}

_IMAGE_SERVER = {
    "urls": "The addresses of several equal ones, instead of `url`.",
    "size": "The size of images for requests that ask for none.",
    "steps": "Steps for requests that do not say how many.",
    "guidance_scale": "How closely images follow the prompt, likewise.",
    "negative_prompt": "What images should not show, likewise.",
    "strength": "How far an edit may depart from its image, from 0 to 1, likewise.",
    "max_pixels": "The most pixels of an image.",
    "connect_timeout": "Seconds to connect, and for questions that need no image.",
    "timeout": "Seconds that one image may take.",
    "poll_interval": "Seconds between two looks at the progress.",
}

MEANINGS: dict[str, dict[str, str]] = {
    "llama_cpp": {
        "context": "Tokens of prompt and answer together, for each slot.",
        "slots": "Requests that run at once; more wait in the queue.",
        "threads": "Threads of the computation; by default as many as cores are free, decided anew "
        "for each step.",
        "batch": "The most prompt tokens that are computed in one step; fewer while answers are "
        "generated.",
        "gpu_layers": "Layers of the model that run on the GPU; with -1 llama.cpp decides.",
        "prompt_format": "The prompt format of the model; see [prompt-formats.md]"
        "(prompt-formats.md).",
        "chat_template": "Replaces the prompt format: a Jinja chat template or the path of a "
        "`.jinja` file.",
        "max_tool_calls": "The most tool calls in one answer, 1 to 128.",
        "prompt_memory": "MiB for computed prompts whose slot another conversation took; 0 keeps "
        "none.",
        "prompt_cache": "A folder where computed prompts are kept when the model is unloaded; see "
        "[models.md](models.md#prompts-kept-on-disk).",
        "adapters": "Set by the server, from the model's own key `adapters`.",
        "mmproj": "The file of the projector for image input; a relative path is relative to the "
        "folder of the weights. See [models.md](models.md#vision-models).",
        "library": "The build of llama.cpp: `auto` takes one that was pulled if it works; `wheel` "
        "is the package's; else the name of one that was pulled, or a path. See [models.md]"
        "(models.md#a-llamacpp-of-your-own).",
        "pulled": "Set by the server: the path of the build that was pulled.",
        "sampling": "The values for requests that do not set their own; see the next table.",
        "moderation": "`llama_guard`, `llama_guard_2` or `shieldgemma` for such a model; or "
        "policies by category. See [moderation.md](moderation.md#guards).",
    },
    "llama_cpp_embeddings": {
        "context": "The most tokens of an input, if the model was trained for so many; longer ones "
        "are truncated.",
        "threads": "Threads of the computation; by default as many as cores are free, decided anew "
        "for each batch.",
        "batch": "Tokens that run together.",
        "gpu_layers": "Layers of the model that run on the GPU; with -1 llama.cpp decides.",
        "pooling": "`mean`, `cls` or `last`, in place of the one that the file names.",
        "prompts": "The texts before inputs, by their `input_type`.",
        "default_prompt": "The one of `prompts` that inputs without an `input_type` get.",
        "cache": "MiB of the vectors that were computed last.",
        "library": "The build of llama.cpp, as of the engine `llama_cpp`.",
        "pulled": "Set by the server: the path of the build that was pulled.",
    },
    "llama_cpp_reranker": {
        "context": "The most tokens of a query and a document together, if the model was trained "
        "for so many.",
        "threads": "Threads of the computation; by default as many as cores are free, decided anew "
        "for each batch.",
        "batch": "Tokens that run together.",
        "gpu_layers": "Layers of the model that run on the GPU; with -1 llama.cpp decides.",
        "library": "The build of llama.cpp, as of the engine `llama_cpp`.",
        "pulled": "Set by the server: the path of the build that was pulled.",
    },
    "onnx_embeddings": _EMBEDDING
    | {
        "moderation": "The classifier that scores texts for moderation: a built-in model's name, "
        "or the path of a file; see "
        "[moderation.md](moderation.md#own-classifiers-on-embedding-models).",
    },
    "onnx_reranker": _ONNX,
    "onnx_classifier": _ONNX
    | {
        "labels": "The categories of each label: a name or a list; by default those of well-known "
        "names of labels. See [moderation.md](moderation.md#classifiers).",
        "activation": "`softmax` where only one label can be true, `sigmoid` where several can; by "
        "default what the model's `problem_type` says.",
        "threshold": "The score from which on a category is flagged, from 0 to 1.",
    },
    "open_nsfw": {
        "threads": "Threads of the computation; by default the number of cores that may be used.",
        "threshold": "The score from which on `sexual` is flagged, from 0 to 1.",
    },
    "sentence_transformers": _EMBEDDING,
    "whisper": {
        "device": "The device.",
        "compute_type": "The numbers of the computation; `int8` by default, `float16` on cuda.",
        "threads": "Threads of the computation; by default the number of cores that may be used.",
        "beam": "Texts that are compared while the likeliest one is searched.",
        "slots": "Requests at once; their windows of 30 seconds take turns.",
        "max_seconds": "The longest audio.",
    },
    "hibari": {
        "slots": "Texts that it speaks at once; more wait in the queue.",
        "voices": "More voices; see [audio.md](audio.md#voices).",
    },
    "kokoro": {
        "threads": "Threads of the computation; by default the number of cores that may be used.",
        "slots": "Texts that it speaks at once; more wait in the queue.",
        "language": "The language that is spoken; all but `en` need the package kokoro-onnx.",
        "voices": 'Other names of voices, as `name = "voice"`.',
    },
    "piper": {
        "slots": "Texts that it speaks at once; more wait in the queue.",
        "voices": 'Other names of voices, as `name = "voice"`.',
    },
    "upstream": {
        "url": "The address of the upstream, with or without `/v1`.",
        "urls": "The addresses of several equal servers, instead of `url`.",
        "server": "Which server it is, for parameters that the official API does not have; see "
        "[upstream.md](upstream.md#servers).",
        "key": "The key for it; `$NAME` reads it from the environment.",
        "model": "The name of the model there; this model's id by default.",
        "names": "With a `prefix`: names of models here, and their names at the upstream.",
        "headers": "More headers for every request; values may be `$NAME` too.",
        "capabilities": "What the model can do, where that matters; see "
        "[upstream.md](upstream.md#audio-and-images).",
        "slots": "Requests at once, for all replicas together; more wait in the queue.",
        "retries": "How many more replicas are tried for a request.",
        "connect_timeout": "Seconds to connect, and for a check of a replica.",
        "first_byte_timeout": "Seconds until the first event of an answer, or all embeddings.",
        "idle_timeout": "Seconds between two events of an answer.",
        "health_interval": "Seconds between two checks of each of several replicas; 0 for none.",
    },
    "a1111": {
        **_IMAGE_SERVER,
        "url": "The address of the web UI; see [images.md](images.md#stable-diffusion-web-uis).",
        "auth": "`user:password` of its `--api-auth`; `$NAME` reads it from the environment.",
        "headers": "More headers for every request; values may be `$NAME` too.",
        "checkpoint": "The checkpoint; by default the one that the web UI has loaded.",
        "sampler": "The sampler, likewise; by default the web UI's choice.",
        "parameters": "More parameters of `txt2img` and `img2img`, for every request.",
        "busy_timeout": "Seconds that a request waits while the web UI works on others.",
        "idle_timeout": "Seconds without a sign of life in the middle of an image.",
        "health_interval": "Seconds between two checks of each of several web UIs; 0 for none.",
    },
    "diffusers": {
        "device": "A device of torch, such as `cpu`, `cuda`, `cuda:1` or `mps`; `auto` takes a "
        "GPU if there is one.",
        "dtype": "The type of the weights in memory; `auto` is `float32` on a CPU.",
        "threads": "Threads of the computation; by default the number of cores that may be used.",
        "size": "The size of images for requests that ask for none; by default the model's own.",
        "steps": "Steps for requests that do not say how many; by default the pipeline's number.",
        "guidance_scale": "How closely images follow the prompt, likewise.",
        "negative_prompt": "What images should not show, likewise.",
        "strength": "How far an edit may depart from its image, from 0 to 1, likewise.",
        "sampler": "The sampler, likewise; see [images.md](images.md#diffusers).",
        "max_pixels": "The most pixels of an image that is computed.",
    },
    "comfyui": {
        **_IMAGE_SERVER,
        "url": "The address of ComfyUI; see [images.md](images.md#comfyui).",
        "headers": "More headers for every request; `$NAME` reads a value from the environment.",
        "workflow": "The file of the workflow for images from a text.",
        "edit_workflow": "That for edits and variations of images.",
        "inpaint_workflow": "That for edits with a mask.",
        "slots": "More slots of the workflows, with their values for requests without them.",
        "checkpoint": "The file of the checkpoint, for workflows with a slot for it.",
        "sampler": "The sampler, likewise.",
        "busy_timeout": "Seconds that a request waits while ComfyUI works on others.",
        "idle_timeout": "Seconds without an answer, and for sending or getting an image.",
        "health_interval": "Seconds between two checks of each of several servers; 0 for none.",
    },
    "echo": {
        "reply": "Answer this text instead of the prompt.",
        "reveal": "Answer with the request that the engine received, as JSON.",
        "repeat": "Repeat the answer that many times.",
        "context": "Context length in tokens; a word is a token.",
        "slots": "Requests at once.",
        "dimensions": "Length of the embeddings.",
        "names": "The models that it lists, for a model with a `prefix`.",
        "vision": "Accept images.",
        "image_tokens": "Tokens for each image.",
        "delay": "Seconds before each token, and before an embedding.",
        "fail_after": "Fail after that many tokens.",
        "crash_after": "Die after that many tokens, as a process would.",
        "load_delay": "Seconds that loading takes.",
        "load_error": "Fail to load, with this message.",
        "moderation": "Score texts as `llama_cpp` does with this option.",
    },
}

SAMPLING = {
    "temperature": "Randomness of the sampling; 0 always takes the most likely token.",
    "top_p": "Sample only from the most likely tokens with this total probability.",
    "top_k": "Sample only from that many of the most likely tokens; 0 for all.",
    "min_p": "Leave out tokens with less than this share of the highest probability; 0 for none.",
}

HEAD = """# Settings

<!-- Made by scripts/settings-page from the code. A test fails where the two differ. -->

The value of a setting comes from the first of these that has one:

1. a flag of `openedai serve`
2. the environment: `OPENEDAI_` and the name in capitals
3. a `.env` file in the working directory, with the same names
4. `openedai.toml` in the working directory; `--config` or `OPENEDAI_CONFIG` names another file
5. the default

Lists are written as JSON in the environment and in `.env`: `OPENEDAI_PRELOAD='["all"]'`. An
unknown name in `openedai.toml` and a value that is not valid end the command with exit code 2.

## The server
"""

MODELS = """
## Models

Each `[[models]]` table of `openedai.toml` describes one model; see [models.md](models.md).
"""

ADAPTERS = """
Each entry of `adapters` is a table:
"""

PRICES = """
## Prices

`[prices]` has a table for each model that costs something: `[prices."qwen3-4b"]`; see
[usage.md](usage.md#prices). All prices are in US dollars.
"""

LIMITS = """
## Limits

The table `[limits]`; see [limits.md](limits.md). 0 is no limit.
"""

RULES = """
Each `[[limits.rules]]` has the same limits, and:
"""

ENGINES = """
## Options of the engines

These go into a model's `options`. An unknown option is an error when the model is loaded. Every
engine also accepts `worker`: true or false, whether it runs in a worker process. By default the
embedding engines, both rerankers, `onnx_classifier`, `open_nsfw`, `llama_cpp`, `whisper`, `hibari`,
`kokoro`, `piper` and `diffusers` do; `upstream`, `a1111`, `comfyui` and `echo` run in the
server's process."""


def page() -> str:
    """The whole page."""
    sections = [
        HEAD,
        _settings(),
        MODELS,
        _table_keys(ModelSpec),
        ADAPTERS,
        _table_keys(AdapterSpec),
        PRICES,
        _table_keys(Price),
        LIMITS,
        _table_keys(LimitSettings),
        RULES,
        _table_keys(LimitRule, without=Limits),
        ENGINES,
    ]
    for engine, options in OPTIONS.items():
        sections += [f"\n### {engine}\n", _options(options, MEANINGS[engine])]
        if engine == "llama_cpp":
            sections += ["\n`sampling` is a table:\n", _options(SamplingDefaults, SAMPLING)]
    return "\n".join(sections) + "\n"


def _settings() -> str:
    """The settings of each group below a heading of its own."""
    groups = [group for group in Settings.__bases__ if dataclasses.is_dataclass(group)]
    return "\n\n".join(f"### {_heading(group)}\n\n{_group(group)}" for group in groups)


def _heading(group: type) -> str:
    """The name of a group, and below it what its docstring says."""
    words = re.sub(r"(?<!^)(?=[A-Z])", " ", group.__name__)
    return f"{words.capitalize()}\n\n{inspect.getdoc(group)}"


def _group(group: Any) -> str:
    flags = inspect.signature(serve).parameters
    hints = get_type_hints(group, include_extras=True)
    rows = [
        (
            f"`{name}`",
            f"`OPENEDAI_{name.upper()}`",
            f"`--{name.replace('_', '-')}`" if name in flags else "",
            _type_name(hints[name]),
            _setting_default(field),
            _description(hints[name]),
        )
        for field in dataclasses.fields(group)
        for name in [field.name]
    ]
    return _table(("In TOML", "Environment", "Flag", "Value", "Default", "Meaning"), rows)


def _table_keys(table: type[msgspec.Struct], without: type[msgspec.Struct] = msgspec.Struct) -> str:
    rows = [
        (
            f"`{field.name}`",
            _type_name(field.type),
            "required" if field.required else _shown(field.default),
            _description(field.type),
        )
        for field in msgspec.structs.fields(table)
        if field.name not in getattr(without, "__struct_fields__", ())
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


def _description(annotated: Any) -> str:
    """The text in the metadata of an annotation."""
    (text,) = (one for one in annotated.__metadata__ if isinstance(one, str))
    return text


def _setting_default(field: dataclasses.Field[Any]) -> str:
    folders = {"cache_dir": "cache", "data": "data"}
    if field.name in folders:
        return f"`openedai` in the user's {folders[field.name]} folder"
    if field.default is dataclasses.MISSING or isinstance(field.default, msgspec.Struct):
        return ""
    return _shown(field.default)


def _shown(value: Any) -> str:
    return "" if value in (None, (), {}, "", msgspec.NODEFAULT) else f"`{json.dumps(value)}`"


def _type_name(kind: Any) -> str:
    """The type of a value as text, without None for a value that may be left out."""
    if get_origin(kind) in (types.UnionType, Union):
        return _type_name(next(part for part in get_args(kind) if part is not type(None)))
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if get_origin(kind) is tuple:
        item = get_args(kind)[0]
        plural = "" if get_origin(item) is Literal else "s"
        return f"list of {_type_name(item)}{plural}"
    if hasattr(kind, "__metadata__"):
        return _type_name(get_args(kind)[0])
    if kind is bool:
        return "true or false"
    names = {int: "whole number", float: "number", str: "text", Secret: "text", Path: "path"}
    return names.get(kind, "table")


if __name__ == "__main__":
    print(page(), end="")
