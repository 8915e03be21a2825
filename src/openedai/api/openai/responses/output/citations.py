"""What tools have found or made for an answer, and where its text cites pages and files made by
code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from openedai.api.openai.responses.output.objects import ContainerFileCitation, UrlCitation
from openedai.serving.tools.citations import Citer, Part
from openedai.serving.tools.code_interpreter import named_files
from openedai.store.containers import ContainerFile

_LINK = re.compile(r"\[(?P<title>[^\[\]]{0,1000})\]\((?P<linked>https?://[^\s)]+)\)")
_BARE = re.compile(r"https?://[^\s<>()\[\]\"']+")
_AFTER = ".,;:!?*_"  # what may follow an address in a sentence


@dataclass
class Found:
    """What was found so far: the titles of `pages` by their URLs, and `parts` of files. In an
    answer that has to follow a format, `is_prose` is false: only citations by the model itself
    count. `made` are the files that code made, by their paths; `unnamed` those of them that no text
    has named yet.
    """

    pages: dict[str, str] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    is_prose: bool = True
    made: dict[str, ContainerFile] = field(default_factory=dict)
    unnamed: set[str] = field(default_factory=set)

    def add_made(self, files: Iterable[ContainerFile]) -> None:
        for file in files:
            self.made[file.path] = file
            self.unnamed.add(file.path)

    def citer(self) -> Citer:
        """What takes the marks out of a text, and says what the text cites."""
        return Citer(self.parts, keeps_marks=False, places=self.is_prose)

    def page_citations(self, text: str) -> list[UrlCitation]:
        """The links of the text, and its bare addresses, that name one of the pages."""
        return _of_pages(text, self.pages) if self.pages else []

    def made_citations(self, text: str) -> Iterator[ContainerFileCitation]:
        """The container files that the text names, and at its end those that no text has named."""
        for path, start, end in named_files(text, self.made):
            self.unnamed.discard(path)
            yield _made(self.made[path], start, end)
        for path in sorted(self.unnamed):
            yield _made(self.made[path], len(text), len(text))
        self.unnamed.clear()


def _made(file: ContainerFile, start: int, end: int) -> ContainerFileCitation:
    name = PurePosixPath(file.path).name
    return ContainerFileCitation(file.container, file.id, name, start, end)


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
