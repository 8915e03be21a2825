"""Renders the templates of the prompt formats."""

from __future__ import annotations

from functools import cache

from openedai.prompts.chat_template.template import JinjaTemplate
from openedai.prompts.prompt_formats import prompt_format

Messages = list[dict[str, str]]


def render(
    name: str, messages: Messages, *, bos: str = "<s>", eos: str = "</s>", generate: bool = True
) -> str:
    return _template(name).render(
        {
            "messages": messages,
            "bos_token": bos,
            "eos_token": eos,
            "add_generation_prompt": generate,
        }
    )


@cache
def _template(name: str) -> JinjaTemplate:
    return JinjaTemplate(prompt_format(name).template)
