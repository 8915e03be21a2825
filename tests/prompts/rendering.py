"""Renders the templates of the prompt formats without llama.cpp."""

from __future__ import annotations

from jinja2.sandbox import ImmutableSandboxedEnvironment

from openedai.prompts.prompt_formats import prompt_format

Messages = list[dict[str, str]]


def render(
    name: str, messages: Messages, *, bos: str = "<s>", eos: str = "</s>", generate: bool = True
) -> str:
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(prompt_format(name).template).render(
        messages=messages, bos_token=bos, eos_token=eos, add_generation_prompt=generate
    )
