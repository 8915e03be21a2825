"""Prompt formats of models that have no chat template of their own.

Each format is a Jinja chat template in `templates/`, for the template renderer of the engine. It
supports the roles `system`, `user` and `assistant`, and the variables `bos_token`, `eos_token` and
`add_generation_prompt`. docs/prompt-formats.md shows the results.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True)
class PromptFormat:
    """`template` is a Jinja chat template; one of the `stop` strings ends an answer."""

    name: str
    template: str
    stop: tuple[str, ...]


@dataclass(frozen=True)
class _Entry:
    """`pattern` matches names of models of the format. `template` is empty, or the name of another
    format whose template it shares.
    """

    name: str
    pattern: str
    stop: tuple[str, ...]
    template: str = ""

    def format(self) -> PromptFormat:
        file = files("openedai.prompts") / "templates" / f"{self.template or self.name}.jinja"
        return PromptFormat(self.name, file.read_text("utf-8"), self.stop)


_ALPACA_STOP = ("\n### Instruction:", "\n### Input:", "\n### Response:")
_VICUNA_STOP = ("USER:", "</s>")

# The first pattern that matches decides, so specific names come before general ones.
_ENTRIES = (
    _Entry("llama-2", r"llama-?v?-?2.*chat|chinese-alpaca-2", ("[INST]", "</s>")),
    _Entry("gpt4-x-alpaca", r"gpt-?4-?x-?alpaca", _ALPACA_STOP, template="alpaca"),
    _Entry("alpaca", r"alpaca|mpt-.*instruct", _ALPACA_STOP),
    _Entry("stable-vicuna", r"stable-?vicuna", ("\n### Human:", "\n### Assistant:", "</s>")),
    _Entry("wizard-vicuna", r"wizard-?vicuna", _VICUNA_STOP, template="vicuna-1.1"),
    _Entry("vicuna-1.1", r"vicuna(?!.*v0)", _VICUNA_STOP),
    _Entry("koala", r"koala", ("USER:", "</s>")),
    _Entry("gpt4all-snoozy", r"snoozy", ("\n### Prompt:", "\n### Instruction:", "</s>")),
    _Entry("rwkv-raven", r"raven", ("\n\nBob:", "\n\nAlice:")),
    _Entry("mpt", r"mpt-.*chat", ("<|im_end|>", "<|im_start|>")),
)
_PLAIN = _Entry("plain", r"", ("\nUser:",))


def format_names() -> tuple[str, ...]:
    """The names of all prompt formats."""
    return tuple(entry.name for entry in (*_ENTRIES, _PLAIN))


def prompt_format(name: str) -> PromptFormat:
    """The format of that name. Raises ValueError, with the known names, if there is none."""
    for entry in (*_ENTRIES, _PLAIN):
        if entry.name == name:
            return entry.format()
    raise ValueError(f"{name!r} is no prompt format; there are {', '.join(format_names())}")


def detect_format(names: Iterable[str]) -> PromptFormat:
    """The format of a model by its names: its id, its file name, the name in its metadata.

    The first name that is recognised decides; `plain` if none is.
    """
    for name in names:
        normalised = re.sub(r"[\s_]+", "-", name.lower())
        for entry in _ENTRIES:
            if re.search(entry.pattern, normalised):
                return entry.format()
    return _PLAIN.format()
