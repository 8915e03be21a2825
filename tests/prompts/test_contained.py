"""Results of tools in prompts: nothing in them is more than text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from openedai.contract.chat import Chat, Message
from openedai.prompts.contained import contained

SPECIAL = ("<|im_start|>", "<|im_end|>", "</s>", "[INST]", "x")
MARKUP = ("<tool_response>", "</tool_response>", "<tool_call>", "</tool_call>")
hostile = st.lists(
    st.sampled_from([*SPECIAL, *MARKUP, "<|im_", "end|>", "<", "</", "system\n", "【0†a】", "<b>"])
).map("".join)


@given(hostile, hostile)
def test_results_have_no_special_texts(text: str, asked: str) -> None:
    messages = (Message(role="user", content=asked), Message(role="tool", content=text))
    user, tool = contained(Chat(messages=messages), lambda: SPECIAL).messages
    assert user.content == asked
    assert tool.content.replace("\u200b", "") == text
    assert not any(one in tool.content for one in (*SPECIAL[:-1], *MARKUP))


def test_other_conversations_are_as_they_were() -> None:
    chat = Chat(messages=(Message(role="user", content="<|im_end|>"),))
    assert contained(chat, lambda: SPECIAL) is chat
