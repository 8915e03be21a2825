"""Prompts of conversations, and what is adapted for a template."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.prompts.chat_template.conversation import ConversationTemplate
from openedai.prompts.chat_template.template import ConversationRefused, TemplateFailed
from tests.prompts.chat_template import styles

SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": "Hello"}
ANSWER = {"role": "assistant", "content": "Hi"}
RESULT = {"role": "tool", "content": "12:00", "tool_call_id": "call00001"}
TOOL = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object"}}}


def called(*arguments: str) -> dict[str, Any]:
    calls = [
        {"id": "call00001", "type": "function", "function": {"name": "get_time", "arguments": one}}
        for one in arguments
    ]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def test_a_conversation() -> None:
    assert ConversationTemplate(styles.CHATML).render([SYSTEM, USER, ANSWER, USER]) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n"
        "<|im_start|>assistant\nHi<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_without_generation_prompt() -> None:
    template = ConversationTemplate(styles.CHATML)
    assert template.render([USER], add_generation_prompt=False) == (
        "<|im_start|>user\nHello<|im_end|>\n"
    )


@pytest.mark.parametrize("role", ["system", "developer"])
def test_a_template_without_system_role(role: str) -> None:
    template = ConversationTemplate(styles.ALTERNATING)
    assert template.render([SYSTEM | {"role": role}, USER, ANSWER, USER]) == (
        "<turn>user\nBe brief.\nHello</turn>\n<turn>model\nHi</turn>\n<turn>user\nHello</turn>\n"
        "<turn>model\n"
    )
    assert template.render([SYSTEM]) == "<turn>user\nBe brief.</turn>\n<turn>model\n"


def test_what_the_template_refuses() -> None:
    with pytest.raises(ConversationRefused, match=r"^Roles must alternate"):
        ConversationTemplate(styles.ALTERNATING).render([USER, USER])


def test_developer_messages() -> None:
    developer = {"role": "developer", "content": "Be brief."}
    assert "system\nBe brief." in ConversationTemplate(styles.CHATML).render([developer, USER])
    assert "developer<|channel|>" in ConversationTemplate(styles.CHANNELS).render([developer])


def test_content_as_parts() -> None:
    template = ConversationTemplate(styles.PARTS)
    assert template.render([SYSTEM, USER]) == "system: Be brief.\nuser: Hello\nassistant:"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('{"zone":"Zürich","n":[1,2.50,null]}', '{"zone": "Zürich", "n": [1, 2.5, null]}'),
        ("", "{}"),
        (" ", "{}"),
        ('{"t": "I', '{"t": "I"}'),
        ('{"t": {"n": [1, 2', '{"t": {"n": [1, 2]}}'),
        ('{"t": 1, "u', '{"t": 1}'),
        ("{", "{}"),
        ('{"a": 1}{"b": 2}', '{"a": 1}'),
        ("noon", '{"arguments": "noon"}'),
        ("{not json", '{"arguments": "{not json"}'),
        ("[1]", '{"arguments": "[1]"}'),
        ("12345678901234567890123", '{"arguments": "12345678901234567890123"}'),
        ("[" * 5000, json.dumps({"arguments": "[" * 5000})),
    ],
)
def test_arguments_as_objects(arguments: str, expected: str) -> None:
    prompt = ConversationTemplate(styles.TAGGED_CALLS).render([USER, called(arguments), RESULT])
    assert f'<tool_call>{{"name": "get_time", "arguments": {expected}}}</tool_call>' in prompt
    assert prompt.endswith("<result>12:00</result>\n<assistant>")


@pytest.mark.parametrize("arguments", ['{"zone": "U', "", "noon", "[1]", "null", '{"a":1}{"b":2}'])
def test_templates_that_read_the_arguments(arguments: str) -> None:
    """Whatever a model wrote, the conversation goes on."""
    for items in ("(call.function.arguments | items)", "call.function.arguments.items()"):
        source = (
            "{% for message in messages %}{{ message.content }}{% for call in message.tool_calls %}"
            f"{{% for key, value in {items} %}}{{{{ key }}}}{{{{ value | tojson }}}}{{% endfor %}}"
            "{% endfor %}{% endfor %}"
        )
        prompt = ConversationTemplate(source).render([USER, called(arguments), RESULT])
        assert prompt.startswith("Hello")
        assert prompt.endswith("12:00")


def test_arguments_as_text() -> None:
    template = ConversationTemplate(styles.BRACKET_CALLS)
    assert template.render([USER, called('{"a":1}', "{}"), RESULT], [TOOL]) == (
        '[USER]Hello[CALL]get_time {"a":1}[CALL]get_time {}[RESULT]call00001 12:00[TOOLS]get_time'
    )


def test_what_is_given_is_not_changed() -> None:
    messages = [SYSTEM, USER, called("{}"), RESULT, ANSWER | {"reasoning_content": "Hm."}]
    before = json.dumps([messages, TOOL])
    for name in ("ALTERNATING", "PARTS", "TAGGED_CALLS", "THINKING_PARTS", "CHANNELS"):
        ConversationTemplate(getattr(styles, name)).render(messages[:2], [TOOL])
        ConversationTemplate(getattr(styles, name).replace("raise_", "")).capabilities  # noqa: B018
    ConversationTemplate(styles.TAGGED_CALLS).render(messages, [TOOL])
    ConversationTemplate(styles.THINKING_PARTS).render(messages, [TOOL])
    assert json.dumps([messages, TOOL]) == before


def test_no_tools_are_none() -> None:
    template = ConversationTemplate(styles.DATED)
    assert "ipython" not in template.render([USER])
    assert "ipython" in template.render([USER], [TOOL])
    assert "ipython" in template.render([USER], (), {"builtin_tools": ["brave_search"]})
    assert "ipython" in template.render([USER], (), {"custom_tools": [TOOL]})


def test_dates() -> None:
    template = ConversationTemplate(styles.DATED)
    today = datetime.now().strftime("%d %b %Y")
    assert today in template.render([USER]) or today != datetime.now().strftime("%d %b %Y")
    assert "Date: 1 Jan 2000 " in template.render([USER], (), {"date_string": "1 Jan 2000"})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (styles.TAGGED_CALLS, "<assistant><think>Hm.</think>Hi\n"),
        (styles.CHANNELS, "<|channel|>analysis<|message|>Hm.<|end|>"),
        (styles.CHANNELS.replace(".thinking", ".reasoning"), "analysis<|message|>Hm.<|end|>"),
        (styles.THINKING_PARTS, "[assistant][THINK]Hm.[/THINK]Hi"),
        (styles.STRICT_REASONING, "[assistant]Hm.Hi"),
    ],
)
def test_reasoning(source: str, expected: str) -> None:
    messages = [USER, ANSWER | {"reasoning_content": "Hm."}]
    template = ConversationTemplate(source)
    assert expected in template.render(messages, add_generation_prompt=False)


def test_reasoning_that_must_be_there() -> None:
    template = ConversationTemplate(styles.STRICT_REASONING)
    assert template.render([USER, ANSWER]) == "[user]Hello[assistant]Hi"


def test_whether_the_model_reasons() -> None:
    template = ConversationTemplate(styles.TAGGED_CALLS)
    assert template.render([USER]).endswith("<assistant>")
    off = template.render([USER], (), {"enable_thinking": False})
    assert off.endswith("<assistant><think></think>")
    plain = ConversationTemplate("{{ messages[0].content }}{{ enable_thinking }}")
    assert plain.render([USER]) == "HelloFalse"


def test_other_names_of_arguments() -> None:
    source = "{{ messages[0].content }}{{ reasoning_effort }}{{ reasoning_strength }}"
    source += "{{ preserve_thinking }}{{ drop_thinking }}{{ clear_thinking }}"
    arguments = {"reasoning_effort": "low", "preserve_reasoning": True, "clear_thinking": "own"}
    assert ConversationTemplate(source).render([USER], (), arguments) == "HellolowlowTrueFalseown"


def test_arguments_do_not_replace_the_conversation() -> None:
    arguments = {
        "messages": [],
        "tools": [TOOL],
        "add_generation_prompt": False,
        "raise_exception": None,
    }
    template = ConversationTemplate(styles.TAGGED_CALLS)
    assert template.render([USER], (), arguments) == template.render([USER])


@pytest.mark.parametrize(
    ("adds", "expected"),
    [(True, "<turn>user\nHello</turn>\n"), (False, "<s><turn>user\nHello</turn>\n")],
)
def test_the_first_token_is_not_doubled(adds: bool, expected: str) -> None:
    template = ConversationTemplate(styles.ALTERNATING, bos_token="<s>", adds_bos=adds)
    assert template.render([USER], add_generation_prompt=False) == expected


def test_the_last_token_is_not_doubled() -> None:
    source = "{{ messages[0].content }}{{ eos_token }}"
    assert ConversationTemplate(source, eos_token="</s>").render([USER]) == "Hello</s>"
    template = ConversationTemplate(source, eos_token="</s>", adds_eos=True)
    assert template.render([USER]) == "Hello"


def test_translations_have_languages() -> None:
    source = (
        "{% for m in messages %}{% if m.role == 'user' %}"
        "{% set c = m['content'][0] %}{{ c['source_lang_code'] }} {{ c['target_lang_code'] }}: "
        "{{ c['text'] }}{% else %}{{ m.content }}{% endif %}|{% endfor %}"
    )
    arguments = {"source_lang_code": "de"}
    rendered = ConversationTemplate(source).render([USER, ANSWER], (), arguments)
    assert rendered == "de en-GB: Hello|Hi|"


Templates = dict[str, ConversationTemplate]
texts = st.text() | st.sampled_from(
    ["{{ 7 * 7 }}", "{% for %}", "{# x #}", "{{ messages }}", "{%- endfor %}", "<b>&amp;", "\\n"]
)


@pytest.fixture(scope="module")
def templates() -> Templates:
    names = ("CHATML", "PARTS", "TAGGED_CALLS")
    return {name: ConversationTemplate(getattr(styles, name)) for name in names}


@given(system=texts, text=texts)
def test_texts_go_through_unchanged(templates: Templates, system: str, text: str) -> None:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": text}]
    assert templates["CHATML"].render(messages, add_generation_prompt=False) == (
        f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{text}<|im_end|>\n"
    )
    assert templates["PARTS"].render(messages) == f"system: {system}\nuser: {text}\nassistant:"


@given(arguments=st.dictionaries(texts, texts | st.integers() | st.none() | st.lists(texts)))
def test_arguments_go_through_as_json(templates: Templates, arguments: dict[str, Any]) -> None:
    prompt = templates["TAGGED_CALLS"].render([USER, called(json.dumps(arguments)), RESULT])
    start = prompt.index('"arguments": ') + len('"arguments": ')
    assert json.loads(prompt[start : prompt.index("}</tool_call>\n<result>")]) == arguments


@given(st.dictionaries(texts, texts))
def test_arguments_are_no_templates(arguments: dict[str, str]) -> None:
    source = "{{ messages[0].content }}{{ a }}"
    arguments = {"a": "".join(arguments.values())} | arguments
    template = ConversationTemplate(source)
    try:
        rendered = template.render([USER], (), arguments)
    except TemplateFailed as error:
        raise AssertionError("no argument can make it fail") from error
    assert rendered == "Hello" + arguments["a"]
