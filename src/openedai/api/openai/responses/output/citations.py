"""What tools have found for an answer, and where its text cites pages of the web."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from openedai.api.openai.responses.output.objects import UrlCitation
from openedai.serving.tools.citations import Citer, Part

_LINK = re.compile(r"\[(?P<title>[^\[\]]{0,1000})\]\((?P<linked>https?://[^\s)]+)\)")
_BARE = re.compile(r"https?://[^\s<>()\[\]\"']+")
_AFTER = ".,;:!?*_"  # what may follow an address in a sentence


@dataclass
class Found:
    """What was found so far: the titles of `pages` by their URLs, and `parts` of files. Sentences
    of an answer of a given format are only cited where the model does so: `is_prose` is false.
    """

    pages: dict[str, str] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    is_prose: bool = True

    def citer(self) -> Citer:
        """What takes marks out of a text, and tells what it cites."""
        return Citer(self.parts, keeps_marks=False, places=self.is_prose)

    def page_citations(self, text: str) -> list[UrlCitation]:
        """The links of the text, and its bare addresses, that name one of the pages."""
        return _of_pages(text, self.pages) if self.pages else []


def _of_pages(text: str, pages: Mapping[str, str]) -> list[UrlCitation]:
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
