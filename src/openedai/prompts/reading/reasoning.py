"""Separates the reasoning of a model from its answer."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal

from openedai.prompts.reading.incoming import IncomingText, Reading

AnswerPart = Literal["reasoning", "answer"]

REASONING_TAGS = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<reasoning>": "</reasoning>",
    "<seed:think>": "</seed:think>",
    "[THINK]": "[/THINK]",
}
"""The tags that models put around their reasoning: opening tag to closing tag."""

_MAY_CLOSE = re.compile(r"[\r\n<\[]")


def opens_reasoning(prompt: str) -> bool:
    """Whether the prompt ends with an opening tag, so that the answer begins inside the block."""
    return prompt.rstrip().endswith(tuple(REASONING_TAGS))


def closing_tag(prompt: str) -> str:
    """What ends the block of reasoning that the prompt has opened; empty if there is none."""
    end = prompt.rstrip()
    tags = (closing for opening, closing in REASONING_TAGS.items() if end.endswith(opening))
    return next((f"\n{closing}\n\n" for closing in tags), "")


class ReasoningSplitter:
    """Splits an answer that may begin with a block of reasoning.

    Only a tag at the start, after optional white space, opens a block; elsewhere it is ordinary
    text. Line feeds next to the tags belong to neither part. A block that is never closed is
    reasoning to its end. `already_open` is for prompts that end with the opening tag.
    """

    def __init__(self, already_open: bool = False) -> None:
        self._already_open = already_open
        self._incoming = IncomingText()
        self._parts: list[tuple[AnswerPart, str]] = []
        self._reading = self._read()

    def feed(self, text: str) -> list[tuple[AnswerPart, str]]:
        """The text that this chunk adds to each part; never an empty one."""
        self._incoming.add(text)
        return self._resume()

    def flush(self) -> list[tuple[AnswerPart, str]]:
        """The text that was held back. Call this when no more text comes."""
        self._incoming.end()
        return self._resume()

    def _resume(self) -> list[tuple[AnswerPart, str]]:
        next(self._reading, None)
        parts, self._parts = self._parts, []
        return parts

    def _emit(self, part: AnswerPart, text: str) -> None:
        if text:
            self._parts.append((part, text))

    def _read(self) -> Reading[None]:
        yield from self._incoming.skip(" \t\r\n")
        opening = yield from self._incoming.word(REASONING_TAGS)
        if opening or self._already_open:
            self._incoming.take()
            yield from self._read_reasoning(
                (REASONING_TAGS[opening],) if opening else tuple(REASONING_TAGS.values())
            )
        while (yield from self._incoming.more()):
            self._incoming.position = len(self._incoming.text)
            self._emit("answer", self._incoming.take())
        self._emit("answer", self._incoming.take())

    def _read_reasoning(self, closings: Collection[str]) -> Reading[None]:
        """Read up to the closing tag and the line feeds after it."""
        yield from self._skip_line_feeds()
        while (yield from self._incoming.more()):
            may_close = self._incoming.skip_to(_MAY_CLOSE)
            self._emit("reasoning", self._incoming.take())
            if not may_close:
                continue
            yield from self._incoming.skip("\r\n")
            if (yield from self._incoming.word(closings)):
                yield from self._skip_line_feeds()
                return
            self._emit("reasoning", self._incoming.take_some())

    def _skip_line_feeds(self) -> Reading[None]:
        yield from self._incoming.skip("\r\n")
        self._incoming.take()
