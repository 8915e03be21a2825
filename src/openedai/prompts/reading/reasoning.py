"""What a model thought before it answered, told apart from the answer."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal

from openedai.prompts.reading.incoming import Incoming, Reading

Kind = Literal["reasoning", "answer"]

TAGS = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<reasoning>": "</reasoning>",
    "<seed:think>": "</seed:think>",
    "[THINK]": "[/THINK]",
}
"""The tags that models put around their reasoning: opening, closing."""

_MAY_CLOSE = re.compile(r"[\r\n<\[]")


def opens_reasoning(prompt: str) -> bool:
    """Whether the prompt ends with an opening tag, so that the model goes on inside of it."""
    return prompt.rstrip().endswith(tuple(TAGS))


class ReasoningSplitter:
    """Splits an answer that may begin with a block of reasoning.

    Only a tag at the start, behind white space, opens a block; everywhere else it is ordinary
    text. Line feeds beside the tags belong to neither part. A block that is never closed is
    reasoning to its end. `already_open` is for prompts that end with the opening tag.
    """

    def __init__(self, already_open: bool = False) -> None:
        self._already_open = already_open
        self._incoming = Incoming()
        self._said: list[tuple[Kind, str]] = []
        self._reading = self._read()

    def feed(self, text: str) -> list[tuple[Kind, str]]:
        """What this piece adds to each part; the texts are never empty."""
        self._incoming.add(text)
        return self._resume()

    def flush(self) -> list[tuple[Kind, str]]:
        """What is still held back, when no more text comes."""
        self._incoming.end()
        return self._resume()

    def _resume(self) -> list[tuple[Kind, str]]:
        next(self._reading, None)
        said, self._said = self._said, []
        return said

    def _say(self, kind: Kind, text: str) -> None:
        if text:
            self._said.append((kind, text))

    def _read(self) -> Reading[None]:
        yield from self._incoming.skip(" \t\r\n")
        opening = yield from self._incoming.word(TAGS)
        if opening or self._already_open:
            self._incoming.take()
            yield from self._read_reasoning((TAGS[opening],) if opening else tuple(TAGS.values()))
        while (yield from self._incoming.more()):
            self._incoming.position = len(self._incoming.text)
            self._say("answer", self._incoming.take())
        self._say("answer", self._incoming.take())

    def _read_reasoning(self, closings: Collection[str]) -> Reading[None]:
        """Up to the closing tag and the line feeds behind it."""
        yield from self._skip_line_feeds()
        while (yield from self._incoming.more()):
            may_close = self._incoming.skip_to(_MAY_CLOSE)
            self._say("reasoning", self._incoming.take())
            if not may_close:
                continue
            yield from self._incoming.skip("\r\n")
            if (yield from self._incoming.word(closings)):
                yield from self._skip_line_feeds()
                return
            self._say("reasoning", self._incoming.take_some())

    def _skip_line_feeds(self) -> Reading[None]:
        yield from self._incoming.skip("\r\n")
        self._incoming.take()
