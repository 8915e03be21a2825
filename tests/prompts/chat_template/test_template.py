"""The environment of templates: what they may use, and how they fail."""

from __future__ import annotations

from datetime import datetime
from threading import Thread
from typing import Any

import pytest

from openedai.prompts.chat_template.template import (
    ConversationRefused,
    JinjaTemplate,
    TemplateFailed,
)


def render(source: str, **variables: Any) -> str:
    return JinjaTemplate(source).render(variables)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{% for m in messages %}", "Unexpected end of template"),
        ("{{ 'open", "unexpected char"),
        ("a\n{% nothing %}", r"unknown tag 'nothing'.* \(line 2\)"),
        ("{{ x | nothing }}", "No filter named 'nothing'"),
        ("{% generation %}x", "Unexpected end of template"),
        ("{{ " + "(" * 5000 + "x" + ")" * 5000 + " }}", "nested too deeply"),
        ("{% for x in y %}" * 30 + "{% endfor %}" * 30, "nested too deeply"),
    ],
)
def test_text_that_is_no_template(source: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        JinjaTemplate(source)


def test_the_message_of_raise_exception() -> None:
    with pytest.raises(ConversationRefused, match=r"^Only one {{ system }} message$"):
        render("{{ raise_exception('Only one {{ system }} message') }}")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ 1 + 'a' }}", "unsupported operand"),
        ("{{ x() }}", "'x' is undefined"),
        ("{{ messages | items | list }}", "mapping"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "calls itself too often"),
        ("{% for x in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}", "calls itself too often"),
        ("{% include 'other' %}", "no loader"),
        ("{% import 'os' as os %}", "no loader"),
        ("{{ range(1000000) }}", "too big"),
    ],
)
def test_templates_that_fail(source: str, message: str) -> None:
    with pytest.raises(TemplateFailed, match=message) as caught:
        render(source, messages=[])
    assert not isinstance(caught.value, ConversationRefused)


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''.__class__ }}",
        "{{ raise_exception.__globals__ }}",
        "{{ strftime_now.__globals__['sys'] }}",
        "{{ '{0.__class__.__init__.__globals__}'.format(messages) }}",
        "{{ ('%s' | attr('__class__')) ~ '' }}",
        "{{ (messages | map(attribute='__class__') | list)[0] }}",
        "{{ messages.append(1) }}",
        "{{ messages[0].update({'role': 'system'}) }}",
        "{{ messages[0].pop('role') }}",
        "{% set messages[0].role = 'system' %}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ self._TemplateReference__context }}",
    ],
)
def test_the_sandbox(source: str) -> None:
    messages = [{"role": "user"}]
    try:
        rendered = render(source, messages=messages)
    except (TemplateFailed, ValueError):
        rendered = ""
    assert rendered == ""
    assert messages == [{"role": "user"}]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ x | tojson }}", '{"b": "é<&\'", "a": [1, 2.5, null, true]}'),
        ("{{ x | tojson(ensure_ascii=true) }}", '{"b": "\\u00e9<&\'", "a": [1, 2.5, null, true]}'),
        ("{{ x.a | tojson(separators=(',', ':')) }}", "[1,2.5,null,true]"),
        ("{{ x | tojson(sort_keys=true) }}", '{"a": [1, 2.5, null, true], "b": "é<&\'"}'),
        ("{{ [1] | tojson(indent=2) }}", "[\n  1\n]"),
        ("{{ [1, 2] | map('string') | tojson }}", '["1", "2"]'),
        ("{{ missing | tojson }}", "null"),
        ("{% for i in [1, 2, 3, 4] %}{% if i == 2 %}{% continue %}{% endif %}{{ i }}"
         "{% if i == 3 %}{% break %}{% endif %}{% endfor %}", "13"),
        ("{% generation %}{% set y = 1 %}a{% endgeneration %}b", "ab"),
        ("{% set ns = namespace(n=1) %}{% for i in [1, 2] %}{% set ns.n = ns.n + i %}{% endfor %}"
         "{{ ns.n }}", "4"),
        ("{% if true %}\n  a\n  {% endif %}\nb", "  a\nb"),
        ("{{ bos_token }}{{ pad_token + 'x' }}{{ unk_token }}", "<s>x"),
        ("{% for tool in none %}x{% else %}y{% endfor %}", "y"),
        ("{% for tool in missing %}x{% endfor %}", ""),
        ("{{ 'a' + missing + missing.field.field + 'b' ~ missing }}", "ab"),
        ("{% for m in [1, 2, 3] %}{{ loop.index0 }}/{{ loop.length }}{{ loop.last }} {% endfor %}",
         "0/3False 1/3False 2/3True "),
        ("{% for k, v in x.items() %}{{ k }}{% endfor %}{{ x | items | list | length }}", "ba2"),
        ("{{ 'a-b'.split('-') | join('+') }}{{ '-'.join(['x', 'y']) }}", "a+bx-y"),
        ("{{ [{'n': 'a'}, {'n': 'b'}] | join(',', attribute='n') }}", "a,b"),
        ("{{ 'aXbX'.replace('X', '') }}{{ 'aXbX' | replace('X', '-', 1) }}", "aba-bX"),
        ("{{ '<b>' | safe + '<' }}{{ '<b>' | e + '<' }}", "<b><&lt;b&gt;<"),
        ("{{ 'x{}y{:02d}'.format('-', 7) }}{{ '%s=%d' % ('a', 1) }}{{ '%s!' | format('b') }}",
         "x-y07a=1b!"),
        ("{{ 'a\nb' | indent(2, first=true) }}", "  a\n  b"),
        ("{{ [1, 2] | sum }}{{ [{'n': 2}] | sum(attribute='n') }}", "32"),
        ("{{ [1] + [2] }}{{ '-' * 3 }}{{ 2 ** 10 }}{{ 7 % 4 }}", "[1, 2]---10243"),
        ("{% macro m(a, b=2) %}{{ a }}{{ b }}{{ caller() if caller }}{% endmacro %}"
         "{{ m(1) }}{% call m(3) %}!{% endcall %}", "1232!"),
        ("{% for x in [[1, [2]]] recursive %}{% if x is iterable %}({{ loop(x) }})"
         "{% else %}{{ x }}{% endif %}{% endfor %}", "(1(2))"),
    ],
)  # fmt: skip
def test_what_templates_may_use(source: str, expected: str) -> None:
    x = {"b": "é<&'", "a": [1, 2.5, None, True]}
    assert render(source, x=x, bos_token="<s>") == expected


def test_dates() -> None:
    before = datetime.now()
    rendered = datetime.strptime(render("{{ strftime_now('%Y-%m-%d %H:%M') }}"), "%Y-%m-%d %H:%M")
    assert before.replace(second=0, microsecond=0) <= rendered <= datetime.now()


def test_threads_do_not_share_a_rendering() -> None:
    template = JinjaTemplate(
        "{% set ns = namespace(t='') %}{% for i in range(2000) %}{% set ns.t = who %}{% endfor %}"
        "{{ ns.t }}"
    )
    results: dict[int, str] = {}
    threads = [
        Thread(target=lambda n=number: results.update({n: template.render({"who": n})}))
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: str(number) for number in range(4)}
