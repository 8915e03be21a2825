"""The prompt of a chat: tools, reasoning, and what a template refuses."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from openedai.contract.chat import Chat, Message, Tool, ToolCall
from openedai.engines.llama_cpp.template import ChatTemplate
from openedai.errors import EngineFailed, InvalidRequest, Unsupported
from tests.prompts.chat_template import styles

TOOL = Tool(name="get_time", description="Says the time.")
USER = Message(role="user", content="What time is it?")
CALL = Message(role="assistant", tool_calls=(ToolCall(id="c1", name="get_time", arguments="{}"),))
RESULT = Message(role="tool", content="12:00", tool_call_id="c1")

# A known format of calls that has no grammar.
FUNCTION_CALLS = """\
{%- for tool in tools %}{{ tool | tojson + '\\n' }}{% endfor %}
{%- for message in messages %}
    {{- '[' + message.role + ']' + message.content }}
    {%- for call in message.tool_calls %}
        {{- '<function=' + call.function.name + '>\\n' }}
        {%- for name, value in call.function.arguments | items %}
            {{- '<parameter=' + name + '>\\n' + value | string + '\\n</parameter>\\n' }}
        {%- endfor %}
        {{- '</function>' }}
    {%- endfor %}
{%- endfor %}
"""
OPENS_REASONING = styles.CHATML + "{% if enable_thinking %}<think>\n{% endif %}"


def render(source: str, chat: Chat) -> str:
    return ChatTemplate("m", source).render(chat).prompt


def test_a_source_that_is_no_template() -> None:
    with pytest.raises(
        EngineFailed, match=r"`m` could not be loaded: its chat template is not.*line 2"
    ):
        ChatTemplate("m", "\n{% end %}")


def test_the_tokens_of_the_vocabulary() -> None:
    source = "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}"
    chat = Chat(messages=(Message(role="user", content="x"),))
    assert (
        ChatTemplate("m", source, bos_token="<s>", eos_token="</s>").render(chat).prompt
        == "<s>x</s>"
    )
    template = ChatTemplate(
        "m", source, bos_token="<s>", eos_token="</s>", adds_bos=True, adds_eos=True
    )
    assert template.render(chat).prompt == "x"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (styles.ALTERNATING, "^The model refused the request: Roles must alternate"),
        ("{{ messages[0].nothing() }}", r"^The model `m` cannot be given these messages: .*failed"),
    ],
)
def test_messages_that_a_template_refuses(source: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message) as caught:
        render(source, Chat(messages=(USER, USER)))
    assert caught.value.param == "messages"


def test_tools_in_the_format_of_the_template() -> None:
    chat = Chat(messages=(USER, CALL, RESULT), tools=(TOOL,))
    rendered = ChatTemplate("m", styles.TAGGED_CALLS).render(chat)
    assert rendered.tool_call_format == "hermes"
    assert rendered.prompt == (
        '<s><tools>\n{"type": "function", "function": {"name": "get_time", "description": '
        '"Says the time.", "parameters": {"type": "object", "properties": {}}}}\n</tools></s>\n'
        "<user>What time is it?\n"
        '<assistant><tool_call>{"name": "get_time", "arguments": {}}</tool_call>\n'
        "<result>12:00</result>\n<assistant>"
    )


@pytest.mark.parametrize("source", [styles.CHATML, styles.ALTERNATING, styles.PARTS, styles.DATED])
def test_tools_as_text(source: str) -> None:
    chat = Chat(messages=(USER, CALL, RESULT), tools=(TOOL,))
    rendered = ChatTemplate("m", source).render(chat)
    assert rendered.tool_call_format == "hermes"
    call = '<tool_call>\n{"name": "get_time", "arguments": {}}\n</tool_call>'
    parts = ["You have these functions", '{"name":"get_time"', call, "<tool_response>\n12:00\n"]
    positions = [rendered.prompt.rindex(part) for part in parts]
    assert positions == sorted(positions)


def test_required_calls_need_a_format_with_a_grammar() -> None:
    chat = Chat(messages=(USER,), tools=(TOOL,))
    assert "You have these functions" not in render(FUNCTION_CALLS, chat)
    for certain in (
        replace(chat, call_required=True),
        replace(chat, tools=(replace(TOOL, strict=True),)),
    ):
        assert "You have these functions" in render(FUNCTION_CALLS, certain)
        assert "You have these functions" not in render(styles.TAGGED_CALLS, certain)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (styles.TAGGED_CALLS, True),
        ("{{ '<think>' }}", True),
        ("{{ '[THINK]' }}", True),
        ("{% if enable_thinking %}{% endif %}", True),
        (styles.CHATML, False),
    ],
)
def test_whether_a_model_reasons(source: str, expected: bool) -> None:
    assert ChatTemplate("m", source).reasons is expected


@pytest.mark.parametrize(
    ("effort", "given", "expected"),
    [
        (None, {}, True),
        ("low", {}, True),
        ("none", {}, False),
        ("none", {"enable_thinking": True}, True),
        (None, {"enable_thinking": False}, False),
    ],
)
def test_reasoning_is_switched(effort: str | None, given: dict[str, Any], expected: bool) -> None:
    chat = Chat(messages=(USER,), reasoning_effort=effort, template_arguments=given)
    rendered = ChatTemplate("m", OPENS_REASONING).render(chat)
    assert rendered.reasoning_open is expected
    assert rendered.prompt.endswith("<think>\n") is expected


def test_an_effort() -> None:
    chat = Chat(messages=(USER,), reasoning_effort="low")
    assert "Reasoning: low" in render(styles.CHANNELS, chat)
    assert "Reasoning: medium" in render(styles.CHANNELS, replace(chat, reasoning_effort=None))
    given = replace(chat, template_arguments={"reasoning_effort": "own"})
    assert "Reasoning: own" in render(styles.CHANNELS, given)


def test_an_effort_under_another_name() -> None:
    chat = Chat(messages=(USER,), reasoning_effort="low")
    assert render("{{ messages[0].content }}{{ reasoning_strength }}", chat).endswith("?low")


def test_an_effort_that_a_template_does_not_support() -> None:
    chat = Chat(messages=(USER,), reasoning_effort="low")
    with pytest.raises(Unsupported) as caught:
        render(styles.CHATML, chat)
    assert caught.value.param == "reasoning_effort"
    render(styles.CHATML, replace(chat, effort_optional=True))
    render(styles.CHATML, replace(chat, reasoning_effort="none"))
    always = styles.CHATML + "<think>"
    with pytest.raises(Unsupported):
        render(always, replace(chat, reasoning_effort="none"))


def test_a_switch_that_is_no_boolean() -> None:
    chat = Chat(messages=(USER,), template_arguments={"enable_thinking": "false"})
    with pytest.raises(InvalidRequest, match="must be a boolean") as caught:
        render(OPENS_REASONING, chat)
    assert caught.value.param == "chat_template_kwargs.enable_thinking"


@pytest.mark.parametrize("begun", ["One, two,", "One, two, ", "", "<think>\nHm"])
@pytest.mark.parametrize("source", [styles.CHATML, styles.TAGGED_CALLS, styles.PARTS])
def test_the_last_message_is_continued(source: str, begun: str) -> None:
    """What is after it in the template is left out, and white space at its end is not."""
    messages = (USER, Message(role="assistant", content=begun))
    rendered = render(source, Chat(messages=messages, continue_last=True))
    assert rendered.endswith(begun)
    assert rendered.startswith(render(source, Chat(messages=(USER,), invite_answer=False)))


def test_a_message_that_the_template_leaves_out() -> None:
    source = "{% for one in messages if one.role == 'user' %}{{ one.content }}{% endfor %}"
    messages = (USER, Message(role="assistant", content="One"))
    with pytest.raises(InvalidRequest, match="cannot continue this message"):
        render(source, Chat(messages=messages, continue_last=True))


def test_without_the_start_of_an_answer() -> None:
    chat = Chat(messages=(USER,), invite_answer=False)
    assert render(styles.CHATML, chat).endswith("<|im_end|>\n")
