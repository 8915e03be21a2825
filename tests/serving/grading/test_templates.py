"""Places in texts, and the values that fill them."""

from __future__ import annotations

import pytest

from openedai.errors import InvalidRequest
from openedai.serving.grading.templates import Template, UnknownVariable

VARIABLES = {
    "item": {"question": "Why?", "parts": [{"n": 1}, "two"], "odd name": True, "none": None},
    "sample": {"output_text": "Because."},
}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("", ""),
        ("{{item.question}} {{ sample.output_text }}", "Why? Because."),
        ("{{ item.parts[0].n }}{{ item.parts[1] }}", "1two"),
        ("{{ item.parts.1 }}", "two"),
        ("{{ item.parts }}", '[{"n": 1}, "two"]'),
        ("{{ item['odd name'] }} {{ item[\"none\"] }}", "true null"),
        ("{ item } {{ item.question }}}", "{ item } Why?}"),
    ],
)
def test_filled(text: str, filled: str) -> None:
    assert Template.parse(text).fill(VARIABLES) == filled


@pytest.mark.parametrize("text", ["{{}}", "{{ other.x }}", "{{ item | upper }}", "{{ item.a() }}"])
def test_places_that_are_no_paths(text: str) -> None:
    with pytest.raises(ValueError, match="is not the path of"):
        Template.parse(text)


@pytest.mark.parametrize(
    "text",
    ["{{ item.answer }}", "{{ item.parts[2] }}", "{{ item.parts.x }}", "{{ item.question.x }}"],
)
def test_unknown_variables(text: str) -> None:
    with pytest.raises(UnknownVariable):
        Template.parse(text).fill(VARIABLES)


def test_a_text_that_grows() -> None:
    with pytest.raises(InvalidRequest):
        Template.parse("{{ item.x }}" * 2000).fill({"item": {"x": "y" * 1000}})
