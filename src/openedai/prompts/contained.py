"""Keeps what tools return confined to its place in the prompt: files, pages and servers are not
trusted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from msgspec.structs import replace

from openedai.contract.chat import Chat

# How results and calls are written for models whose chat template does not support tools.
_MARKUP = ("<tool_response>", "</tool_response>", "<tool_call>", "</tool_call>")
_ROLES = ("tool", "function")
_BREAK = "\u200b"  # a zero-width space


def contained(chat: Chat, special: Callable[[], Iterable[str]]) -> Chat:
    """The conversation, in which the results of tools are nothing but text: a zero-width space is
    inserted into texts for which the model has `special` tokens, and into those that mark results
    and calls.
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
