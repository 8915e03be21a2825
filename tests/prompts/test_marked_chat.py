"""Texts in place of images."""

from __future__ import annotations

import pytest

from openedai.contract.chat import Chat, Image, Message
from openedai.errors import InvalidRequest
from openedai.prompts.marked_chat import MarkedChat


def image(raw: bytes, at: int) -> Image:
    return Image(raw=raw, media_type="image/png", at=at)


def test_prompts_are_split_at_the_images() -> None:
    chat = Chat(
        messages=(
            Message(role="system", content="s"),
            Message(role="user", content="añc", images=(image(b"1", 0), image(b"2", 2))),
            Message(role="user", images=(image(b"3", 0),)),
        )
    )
    marked = MarkedChat(chat)
    assert [one.raw for one in marked.images] == [b"1", b"2", b"3"]
    assert not any(message.images for message in marked.chat.messages)
    rendered = "|".join(message.content for message in marked.chat.messages)
    assert marked.split(rendered) == ["s|", "añ", "c|", ""]
    first = "|".join(message.content for message in marked.chat.messages[:2])
    for text in (first, rendered + rendered):
        with pytest.raises(InvalidRequest, match="leaves images out") as caught:
            marked.split(text)
        assert caught.value.param == "messages"
    with pytest.raises(InvalidRequest):  # another request has other marks
        MarkedChat(chat).split(rendered)
