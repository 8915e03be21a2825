"""How models without a chat template of their own want a conversation to be written.

Each format is a Jinja chat template in `templates/`, for the engine's own template renderer. It
knows the roles `system`, `user` and `assistant`, the variables `bos_token` and `eos_token`, and
`add_generation_prompt`. docs/prompt-formats.md shows what they make.
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
    """`pattern` finds the models of the format by name; `template` is that of another format."""

    name: str
    pattern: str
    stop: tuple[str, ...]
    template: str = ""

    def format(self) -> PromptFormat:
        file = files("openedai.prompts") / "templates" / f"{self.template or self.name}.jinja"
        return PromptFormat(self.name, file.read_text("utf-8"), self.stop)


_ALPACA_STOP = ("\n### Instruction:", "\n### Input:", "\n### Response:")
_VICUNA_STOP = ("USER:", "</s>")

# The first pattern that is found decides, so special names stand before general ones.
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
    """The names that `prompt_format` knows."""
    return tuple(entry.name for entry in (*_ENTRIES, _PLAIN))


def prompt_format(name: str) -> PromptFormat:
    """The format of that name. Raises ValueError with the known names."""
    for entry in (*_ENTRIES, _PLAIN):
        if entry.name == name:
            return entry.format()
    raise ValueError(f"{name!r} is no prompt format; there are {', '.join(format_names())}")


def detect(names: Iterable[str]) -> PromptFormat:
    """The format of the model that has these names: its id, its file's, the one in its metadata.

    The first name that is recognised decides. `plain` is for models that nothing is known of.
    """
    for name in names:
        written = re.sub(r"[\s_]+", "-", name.lower())
        for entry in _ENTRIES:
            if re.search(entry.pattern, written):
                return entry.format()
    return _PLAIN.format()
