"""Templates that would need too much time or memory."""

from __future__ import annotations

import pytest

from openedai.prompts.chat_template.limits import SIZE
from openedai.prompts.chat_template.template import JinjaTemplate, TemplateFailed

DOUBLE = (
    "{% set ns = namespace(x=START) %}{% for i in range(99) %}{% set ns.x = NEXT %}{% endfor %}"
)


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro m(n) %}{% if n %}{{ m(n - 1) ~ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
        "{% for a in range(99999) %}{% for b in range(99999) if false %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{% set x = range(99999) | list %}{% endfor %}",
    ],
)
def test_time(source: str) -> None:
    with pytest.raises(TemplateFailed, match="takes too long"):
        JinjaTemplate(source, seconds=0.05).render({})


def double(start: str, following: str) -> str:
    return DOUBLE.replace("START", start).replace("NEXT", following)


@pytest.mark.parametrize(
    "source",
    [
        double("'ab'", "ns.x + ns.x"),
        double("'ab'", "ns.x ~ ns.x"),
        double("'ab'", "ns.x * 2"),
        double("'ab'", "ns.x.replace('a', ns.x)"),
        double("'ab'", "ns.x | replace('b', ns.x)"),
        double("'ab'", "ns.x.join([ns.x, ns.x, ns.x])"),
        double("'ab'", "[ns.x, ns.x] | join"),
        double("'ab'", "'{}{}'.format(ns.x, ns.x) ~ ''"),
        double("[1]", "ns.x + ns.x"),
        double("[1]", "[ns.x, ns.x]") + "{{ ns.x }}",
        double("[1]", "[ns.x, ns.x]") + "{{ ns.x | tojson }}",
        double("[1]", "{'a': ns.x, 'b': ns.x}") + "{{ ns.x ~ 'a' }}",
        double("[1]", "(ns.x, ns.x)") + "{{ '%s' % ns.x }}",
        double("[1]", "(ns.x, ns.x)") + "{{ ns.x | string }}",
        double("2", "ns.x * ns.x"),
        double("2", "ns.x ** ns.x"),
        "{{ 2 ** (2 ** 40) }}",
        "{{ 'a' * 10000000000 }}",
        "{{ 10000000000 * [1] }}",
        "{{ '%99999999999d' % 1 }}",
        "{{ '%*d' % (99999999999, 1) }}",
        "{{ '%99999999999d' | format(1) }}",
        "{{ '{:99999999999}'.format(1) }}",
        "{{ '{:{}}'.format(1, 99999999999) }}",
        "{{ strftime_now('%99999999999Y') }}",
        "{{ 'a' | indent(99999999999, first=true) }}",
        "{{ [[1]] | tojson(indent=99999999999) }}",
        "{{ 'a'.ljust(99999999999) }}",
        "{{ 'a'.zfill(99999999999) }}",
        "{{ '\\t'.expandtabs(99999999999) }}",
    ],
)
def test_size(source: str) -> None:
    with pytest.raises(TemplateFailed):
        JinjaTemplate(source).render({})


@pytest.mark.parametrize("before", ["", "{% set x %}", "{% macro x() %}", "{% filter upper %}"])
def test_what_is_written_is_counted_at_once(before: str) -> None:
    """Not when its block ends: until then it could fill the memory."""
    after = before.partition(" ")[2] and "{% end" + before[3:].partition(" ")[0] + " %}"
    after += "{{ x() }}" if "macro" in before else ""
    loop = "{% for i in range(99999) %}{{ 'a' * 999999 }}{% endfor %}"
    with pytest.raises(TemplateFailed, match="a text that is too long"):
        JinjaTemplate(before + loop + after, seconds=60).render({})


@pytest.mark.parametrize("name", ["center(99999999999)", "wordwrap(1)", "batch(9)", "slice(9)"])
def test_filters_that_are_left_out(name: str) -> None:
    with pytest.raises(ValueError, match="No filter named"):
        JinjaTemplate("{{ 'a' | " + name + " }}")


def test_a_long_conversation_is_no_attack() -> None:
    template = JinjaTemplate("{% for m in messages %}{{ m.content + '\n' }}{% endfor %}")
    messages = [{"content": "word " * 2000} for _ in range(1000)]
    assert len(template.render({"messages": messages})) == 1000 * 10_001 < SIZE
