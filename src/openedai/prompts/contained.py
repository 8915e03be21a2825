"""What tools return, kept in its place in the prompt: files, pages and servers are not trusted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from msgspec.structs import replace

from openedai.contract.chat import Chat

# How results and calls are written for models whose chat template has no tools.
_MARKUP = ("<tool_response>", "</tool_response>", "<tool_call>", "</tool_call>")
_ROLES = ("tool", "function")
_BREAK = "\u200b"  # a space without width


def contained(chat: Chat, special: Callable[[], Iterable[str]]) -> Chat:
    """The conversation, in which what tools returned is nothing but text: a space without width is
    in the texts for which the model has `special` tokens, and in those that mark results and calls.
    """
    if not any(message.role in _ROLES for message in chat.messages):
        return chat
    texts = sorted({*_MARKUP, *special()}, key=len, reverse=True)
    pattern = re.compile("|".join(re.escape(text) for text in texts if len(text) > 1))
    return replace(
        chat,
        messages=tuple(
            replace(message, content=pattern.sub(_broken, message.content))
            if message.role in _ROLES
            else message
            for message in chat.messages
        ),
    )


def _broken(found: re.Match[str]) -> str:
    return f"{found[0][0]}{_BREAK}{found[0][1:]}"
