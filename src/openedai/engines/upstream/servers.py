"""The parameters that servers support beyond the official API, and those that they do not support.

A parameter that a server would ignore is not sent to it: the request is refused here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from openedai.contract.generate import LocalSampling
from openedai.engines.upstream.options import Server
from openedai.errors import PARAM, Unsupported

Fields = dict[str, Any]


@dataclass(frozen=True)
class ServerProfile:
    """The features of one server, and the names of their parameters.

    `samplers` maps our names of samplers to the server's; `converters` change the values of some.
    `grammar_fields` makes the fields for a grammar in GBNF, `regex_fields` those for a pattern,
    `schema_fields` those for a JSON Schema where `response_format` is not supported;
    None where the server has none. `schema_keywords` are added to each schema. `response_formats`
    is where `response_format` is supported, `json_object` whether that may be any JSON object.
    `max_tokens` is the name of the limit in chat, `no_limit` the fields for a continued text
    without a limit; None requires a limit.
    `missing` are parameters that the server does not have. `effort_fields` makes the fields for a
    reasoning effort; `reasoning_names` are the fields of a message for its reasoning.

    `image_names` maps our names of the parameters that only some image models have to the server's.
    `base64_images` are the fields that ask for images in the answer, and not for their URLs;
    `transcript_stream` those of a transcription that is streamed. `streams_segments` is whether a
    stream may have the times of segments, without speakers.
    """

    name: Server
    samplers: Mapping[str, str] = field(default_factory=dict)
    converters: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    grammar_fields: Callable[[str], Fields] | None = None
    regex_fields: Callable[[str], Fields] | None = None
    schema_fields: Callable[[Fields], Fields] | None = None
    schema_keywords: Fields = field(default_factory=dict)
    response_formats: frozenset[Literal["chat", "text"]] = frozenset({"chat"})
    json_object: bool = True
    max_tokens: str = "max_tokens"
    no_limit: Fields | None = None
    missing: frozenset[str] = frozenset()
    effort_fields: Callable[[str], Fields] = lambda effort: {"reasoning_effort": effort}
    reasoning_names: tuple[str, ...] = ()
    image_names: Mapping[str, str] = field(default_factory=dict)
    base64_images: Fields = field(default_factory=lambda: {"response_format": "b64_json"})
    transcript_stream: Fields = field(default_factory=dict)
    streams_segments: bool = False

    def local_sampling(self, sampling: LocalSampling) -> Fields:
        """The fields for the samplers that are set. Raises Unsupported."""
        fields = {}
        for name, value in sampling.given().items():
            if name not in self.samplers:
                raise self.unsupported(name)
            convert = self.converters.get(name)
            fields[self.samplers[name]] = convert(value) if convert else value
        return fields

    def require(self, name: str) -> None:
        """Raise Unsupported for a parameter that this server does not have."""
        if name in self.missing:
            raise self.unsupported(name)

    def unsupported(self, name: str) -> Unsupported:
        return Unsupported(
            f"Unsupported parameter: '{PARAM}' is not supported by the upstream of this model, "
            f"which is described as '{self.name}'.",
            code="unsupported_parameter",
            param=name,
        )


def server_profile(server: Server) -> ServerProfile:
    """The profile for the option `server`."""
    return _PROFILES[server]()


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def _openai() -> ServerProfile:
    return ServerProfile(
        "openai",
        max_tokens="max_completion_tokens",
        missing=frozenset({"chat_template_kwargs"}),
        base64_images={},  # its models do so anyway, and reject the parameter
    )


def _openedai() -> ServerProfile:
    return ServerProfile(
        "openedai",
        samplers=_same(*LocalSampling.__struct_fields__),
        grammar_fields=lambda grammar: {"grammar": grammar},
        regex_fields=lambda pattern: {"regex": pattern},
        schema_fields=lambda schema: {"guided_json": schema},
        max_tokens="max_completion_tokens",
        no_limit={"max_tokens": 2**31 - 1},
        reasoning_names=("reasoning_content",),
        image_names=_same(
            "negative_prompt", "steps", "guidance_scale", "seed", "strength", "sampler"
        ),
        streams_segments=True,
    )


def _llama_cpp() -> ServerProfile:
    return ServerProfile(
        "llama.cpp",
        samplers=_same(*LocalSampling.__struct_fields__),
        grammar_fields=lambda grammar: {"grammar": grammar},
        schema_fields=lambda schema: {"json_schema": schema},
        # Builds with llguidance would let a model write whitespace endlessly.
        schema_keywords={"x-guidance": {"whitespace_flexible": False}},
        no_limit={"max_tokens": -1},
        missing=frozenset({"echo", "suffix"}),
        effort_fields=_template_effort,
        reasoning_names=("reasoning_content",),
    )


def _template_effort(effort: str) -> Fields:
    """llama.cpp leaves it to the chat template, and templates do not support "none"."""
    arguments: Fields = {"enable_thinking": False} if effort == "none" else {}
    return {"chat_template_kwargs": arguments or {"reasoning_effort": effort}}


def _vllm() -> ServerProfile:
    return ServerProfile(
        "vllm",
        samplers={**_same("top_k", "min_p"), "repeat_penalty": "repetition_penalty"},
        grammar_fields=lambda grammar: {"structured_outputs": {"grammar": grammar}},
        regex_fields=lambda pattern: {"structured_outputs": {"regex": pattern}},
        response_formats=frozenset({"chat", "text"}),
        no_limit={"max_tokens": None},
        reasoning_names=("reasoning", "reasoning_content"),
        image_names={
            **_same("negative_prompt", "guidance_scale", "seed"),
            "steps": "num_inference_steps",
        },
        transcript_stream={"stream_include_usage": True},
    )


def _sglang() -> ServerProfile:
    return ServerProfile(
        "sglang",
        samplers={**_same("top_k", "min_p"), "repeat_penalty": "repetition_penalty"},
        converters={"top_k": lambda k: k or -1},
        grammar_fields=lambda grammar: {"ebnf": grammar},
        regex_fields=lambda pattern: {"regex": pattern},
        response_formats=frozenset({"chat", "text"}),
        missing=frozenset({"suffix"}),
        reasoning_names=("reasoning_content",),
        image_names={
            **_same("negative_prompt", "guidance_scale", "seed"),
            "steps": "num_inference_steps",
        },
    )


def _ollama() -> ServerProfile:
    return ServerProfile(
        "ollama",
        no_limit={},
        missing=frozenset(
            {
                "chat_template_kwargs",
                "echo",
                "logit_bias",
                "prompt",
                "strict",
                "tool_choice",
            }
        ),
        reasoning_names=("reasoning",),
    )


def _lmstudio() -> ServerProfile:
    return ServerProfile(
        "lmstudio",
        samplers=_same("top_k", "repeat_penalty"),
        json_object=False,
        no_limit={"max_tokens": -1},
        missing=frozenset(
            {"chat_template_kwargs", "echo", "prompt", "reasoning_effort", "strict", "suffix"}
        ),
    )


def _textgen() -> ServerProfile:
    return ServerProfile(
        "textgen",
        samplers={
            **_same(
                "top_k",
                "min_p",
                "typical_p",
                "mirostat_tau",
                "mirostat_eta",
                "dry_multiplier",
                "dry_base",
                "dry_allowed_length",
                "dry_sequence_breakers",
                "xtc_probability",
                "xtc_threshold",
            ),
            "repeat_penalty": "repetition_penalty",
            "mirostat": "mirostat_mode",
        },
        # A string: a JSON list without its brackets.
        converters={
            "dry_sequence_breakers": lambda texts: msgspec.json.encode(texts).decode()[1:-1]
        },
        grammar_fields=lambda grammar: {"grammar_string": grammar},
        response_formats=frozenset(),
        no_limit={"auto_max_new_tokens": True},
        missing=frozenset({"chat_template_kwargs", "prompt", "strict", "suffix", "tool_choice"}),
        image_names={
            **_same("negative_prompt", "steps"),
            "guidance_scale": "cfg_scale",
            "seed": "image_seed",
        },
    )


_PROFILES: Mapping[Server, Callable[[], ServerProfile]] = {
    "openai": _openai,
    "openedai": _openedai,
    "llama.cpp": _llama_cpp,
    "vllm": _vllm,
    "sglang": _sglang,
    "ollama": _ollama,
    "lmstudio": _lmstudio,
    "textgen": _textgen,
}
