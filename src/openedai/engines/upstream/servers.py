"""How servers spell what the official API does not have, and what they do not have at all.

A server that would ignore something is not sent it: the request is refused here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from openedai.contract.generate import Sampling
from openedai.engines.upstream.options import Server
from openedai.errors import PARAM, Unsupported

Fields = dict[str, Any]


@dataclass(frozen=True)
class Dialect:
    """One server's ways.

    `samplers` has its names of ours; `convert` changes the values of some. `grammars` is how a
    grammar in GBNF is put, `regexes` how a pattern is, where it needs no grammar of ours.
    `formats` says where `response_format` is known. `max_tokens` is the name of the limit in chat,
    `no_limit` what a continued text without a limit is sent. `lacks` are parameters that it has
    not, `reasoning` the fields of a message for what was thought.
    """

    name: Server
    samplers: Mapping[str, str] = field(default_factory=dict)
    convert: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    grammars: Callable[[str], Fields] | None = None
    regexes: Callable[[str], Fields] | None = None
    formats: frozenset[Literal["chat", "text"]] = frozenset({"chat"})
    any_json: bool = True
    max_tokens: str = "max_tokens"
    no_limit: Fields | None = None
    lacks: frozenset[str] = frozenset()
    effort: Callable[[str], Fields] = lambda effort: {"reasoning_effort": effort}
    reasoning: tuple[str, ...] = ()

    def sampling(self, sampling: Sampling) -> Fields:
        """The fields of the local samplers that were set. Raises Unsupported."""
        fields = {}
        for name in LOCAL_SAMPLERS:
            value = getattr(sampling, name)
            if value is None:
                continue
            if name not in self.samplers:
                raise self.unsupported(name)
            convert = self.convert.get(name)
            fields[self.samplers[name]] = convert(value) if convert else value
        return fields

    def require(self, name: str) -> None:
        """Raise Unsupported for a parameter that this server has not."""
        if name in self.lacks:
            raise self.unsupported(name)

    def unsupported(self, name: str) -> Unsupported:
        return Unsupported(
            f"Unsupported parameter: '{PARAM}' is not supported by the upstream of this model, "
            f"which is described as '{self.name}'.",
            code="unsupported_parameter",
            param=name,
        )


_FIELDS = tuple(field.name for field in msgspec.structs.fields(Sampling))
LOCAL_SAMPLERS = _FIELDS[_FIELDS.index("top_k") :]


def dialect(server: Server) -> Dialect:
    return _DIALECTS[server]()


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def _openai() -> Dialect:
    return Dialect(
        "openai",
        max_tokens="max_completion_tokens",
        lacks=frozenset({"chat_template_kwargs"}),
    )


def _openedai() -> Dialect:
    return Dialect(
        "openedai",
        samplers=_same(*LOCAL_SAMPLERS),
        grammars=lambda grammar: {"grammar": grammar},
        regexes=lambda pattern: {"regex": pattern},
        max_tokens="max_completion_tokens",
        no_limit={"max_tokens": 2**31 - 1},
        reasoning=("reasoning_content",),
    )


def _llama_cpp() -> Dialect:
    return Dialect(
        "llama.cpp",
        samplers=_same(*LOCAL_SAMPLERS),
        grammars=lambda grammar: {"grammar": grammar},
        no_limit={"max_tokens": -1},
        lacks=frozenset({"echo", "suffix"}),
        effort=_template_effort,
        reasoning=("reasoning_content",),
    )


def _template_effort(effort: str) -> Fields:
    """llama.cpp leaves it to the chat template, and templates know no "none"."""
    arguments: Fields = {"enable_thinking": False} if effort == "none" else {}
    return {"chat_template_kwargs": arguments or {"reasoning_effort": effort}}


def _vllm() -> Dialect:
    return Dialect(
        "vllm",
        samplers={**_same("top_k", "min_p"), "repeat_penalty": "repetition_penalty"},
        grammars=lambda grammar: {"structured_outputs": {"grammar": grammar}},
        regexes=lambda pattern: {"structured_outputs": {"regex": pattern}},
        formats=frozenset({"chat", "text"}),
        no_limit={"max_tokens": None},
        reasoning=("reasoning", "reasoning_content"),
    )


def _sglang() -> Dialect:
    return Dialect(
        "sglang",
        samplers={**_same("top_k", "min_p"), "repeat_penalty": "repetition_penalty"},
        convert={"top_k": lambda k: k or -1},
        grammars=lambda grammar: {"ebnf": grammar},
        regexes=lambda pattern: {"regex": pattern},
        formats=frozenset({"chat", "text"}),
        lacks=frozenset({"suffix"}),
        reasoning=("reasoning_content",),
    )


def _ollama() -> Dialect:
    return Dialect(
        "ollama",
        no_limit={},
        lacks=frozenset(
            {
                "chat_template_kwargs",
                "echo",
                "logit_bias",
                "prompt",
                "strict",
                "tool_choice",
            }
        ),
        reasoning=("reasoning",),
    )


def _lmstudio() -> Dialect:
    return Dialect(
        "lmstudio",
        samplers=_same("top_k", "repeat_penalty"),
        any_json=False,
        no_limit={"max_tokens": -1},
        lacks=frozenset(
            {"chat_template_kwargs", "echo", "prompt", "reasoning_effort", "strict", "suffix"}
        ),
    )


def _textgen() -> Dialect:
    return Dialect(
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
        # A text: the inside of a JSON list.
        convert={"dry_sequence_breakers": lambda texts: msgspec.json.encode(texts).decode()[1:-1]},
        grammars=lambda grammar: {"grammar_string": grammar},
        formats=frozenset(),
        no_limit={"auto_max_new_tokens": True},
        lacks=frozenset({"chat_template_kwargs", "prompt", "strict", "suffix", "tool_choice"}),
    )


_DIALECTS: Mapping[Server, Callable[[], Dialect]] = {
    "openai": _openai,
    "openedai": _openedai,
    "llama.cpp": _llama_cpp,
    "vllm": _vllm,
    "sglang": _sglang,
    "ollama": _ollama,
    "lmstudio": _lmstudio,
    "textgen": _textgen,
}
