"""What is found out about templates by trying them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from openedai.prompts.chat_template.capabilities import Capabilities, find_capabilities
from openedai.prompts.chat_template.template import JinjaTemplate
from openedai.prompts.prompt_formats import format_names, prompt_format
from tests.prompts.chat_template import styles


def capabilities(source: str) -> Capabilities:
    return find_capabilities(JinjaTemplate(source))


NAMES = (
    "string_content",
    "typed_content",
    "system_role",
    "tools",
    "tool_calls",
    "parallel_tool_calls",
    "tool_results",
    "object_arguments",
    "reasoning_effort",
)


def supported(source: str) -> set[str]:
    found = capabilities(source)
    return {name for name in NAMES if getattr(found, f"supports_{name}")}


CALLS = {"tools", "tool_calls", "tool_results"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (styles.CHATML, {"string_content", "system_role", "tool_results"}),
        (styles.ALTERNATING, {"string_content"}),
        (styles.PARTS, {"typed_content", "system_role", "tool_results"}),
        (
            styles.TAGGED_CALLS,
            {"string_content", "system_role", *CALLS, "parallel_tool_calls", "object_arguments"},
        ),
        (
            styles.BRACKET_CALLS,
            {"string_content", "system_role", *CALLS, "parallel_tool_calls"},
        ),
        (
            styles.DATED,
            {"string_content", "system_role", "tool_calls", "tool_results", "object_arguments"},
        ),
        (styles.CHANNELS, {"string_content", "system_role", "tool_results", "reasoning_effort"}),
        (
            styles.THINKING_PARTS,
            {"string_content", "typed_content", "system_role", "tool_results"},
        ),
        (styles.STRICT_REASONING, {"string_content", "system_role", "tool_results"}),
        ("{{ raise_exception('never') }}", set()),
        ("", set()),
    ],
)
def test_features(source: str, expected: set[str]) -> None:
    assert supported(source) == expected


@pytest.mark.parametrize(
    ("source", "field"),
    [
        (styles.CHATML, None),
        (styles.TAGGED_CALLS, "reasoning_content"),
        (styles.CHANNELS, "thinking"),
        (styles.CHANNELS.replace("message.thinking", "message.reasoning"), "reasoning"),
        (styles.THINKING_PARTS, "block"),
        (styles.STRICT_REASONING, "reasoning_content"),
    ],
)
def test_where_reasoning_is_read(source: str, field: str | None) -> None:
    assert capabilities(source).reasoning == field


def test_reasoning_that_must_be_there() -> None:
    assert capabilities(styles.STRICT_REASONING).requires_reasoning
    assert not capabilities(styles.TAGGED_CALLS).requires_reasoning


@pytest.mark.parametrize("name", format_names())
def test_prompt_formats(name: str) -> None:
    features = supported(prompt_format(name).template)
    assert features >= {"string_content", "system_role"}
    assert not features & {"tools", "tool_calls", "typed_content", "reasoning_effort"}


def test_objects_that_are_printed_are_not_supported() -> None:
    source = "{% for m in messages %}{{ m.content }}{{ m.tool_calls[0].function.arguments }}"
    found = supported(source + "{% endfor %}{{ tools }}")
    assert "string_content" in found
    assert not found & {"typed_content", "object_arguments"}


def test_a_template_that_is_too_costly_is_tried_once() -> None:
    loops = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    template = Counted(loops, seconds=0.05)
    assert not find_capabilities(template).supports_string_content
    assert template.rendered == 1


class Counted(JinjaTemplate):
    rendered = 0

    def render(self, variables: Mapping[str, Any]) -> str:
        self.rendered += 1
        return super().render(variables)
