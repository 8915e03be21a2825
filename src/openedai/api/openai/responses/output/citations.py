"""Where a text cites what tools have found: pages of the web, and parts of files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from openedai.api.openai.responses.output.objects import FileCitation, FileResult, UrlCitation

_LINK = re.compile(r"\[(?P<title>[^\[\]]{0,1000})\]\((?P<linked>https?://[^\s)]+)\)")
_BARE = re.compile(r"https?://[^\s<>()\[\]\"']+")
_AFTER = ".,;:!?*_"  # what may follow an address in a sentence
_SENTENCE = re.compile(r"[^.!?\n。！？]+(?:[.!?。！？]+|\n|$)")
# A word, or a character of a script that is written without spaces.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\d_]+|\d+")
_LEAST_WORDS = 3
_SHARE = 0.6  # of a sentence's words, which the part has that it is from

Citation = UrlCitation | FileCitation


@dataclass
class Found:
    """What was found so far: the titles of `pages` by their URLs, and `parts` of files."""

    pages: dict[str, str] = field(default_factory=dict)
    parts: list[FileResult] = field(default_factory=list)

    def citations(self, text: str) -> tuple[Citation, ...]:
        """What the text cites."""
        found: list[Citation] = []
        if self.pages:
            found += _of_pages(text, self.pages)
        if self.parts:
            found += _of_files(text, self.parts)
        return tuple(found)


def _of_pages(text: str, pages: Mapping[str, str]) -> list[UrlCitation]:
    """The links of the text, and its bare addresses, that name one of the pages."""
    found: list[UrlCitation] = []
    end = 0
    for match in re.finditer(f"{_LINK.pattern}|(?P<bare>{_BARE.pattern})", text):
        linked = match["linked"]
        url = linked or match["bare"].rstrip(_AFTER)
        if url not in pages or match.start() < end:
            continue
        end = match.end() if linked else match.start() + len(url)
        found.append(UrlCitation(match.start(), end, pages[url] or match["title"] or "", url))
    return found


def _of_files(text: str, parts: Sequence[FileResult]) -> list[FileCitation]:
    """The sentences whose words are mostly those of one part. Of several sentences from one file,
    one after the other, the last one is cited.
    """
    known = [(part, set(_words(part.text))) for part in parts]
    found: list[FileCitation] = []
    previous: str | None = None
    for match in _SENTENCE.finditer(text):
        words = _words(match[0])
        if len(words) < _LEAST_WORDS:
            continue
        part, has = max(known, key=lambda one: sum(word in one[1] for word in words))
        if sum(word in has for word in words) < _SHARE * len(words):
            previous = None
            continue
        if part.file_id == previous:
            found.pop()
        found.append(
            FileCitation(part.file_id, part.filename, len(match[0].rstrip()) + match.start())
        )
        previous = part.file_id
    return found


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
