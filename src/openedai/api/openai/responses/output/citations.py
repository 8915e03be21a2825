"""Where a text cites pages that were found."""

from __future__ import annotations

import re
from collections.abc import Mapping

from openedai.api.openai.responses.output.objects import UrlCitation

_LINK = re.compile(r"\[(?P<title>[^\[\]]{0,1000})\]\((?P<linked>https?://[^\s)]+)\)")
_BARE = re.compile(r"https?://[^\s<>()\[\]\"']+")
_AFTER = ".,;:!?*_"  # what may follow an address in a sentence


def citations(text: str, pages: Mapping[str, str]) -> tuple[UrlCitation, ...]:
    """The links of the text, and its bare addresses, that name one of the `pages`: their titles by
    their URLs.
    """
    if not pages:
        return ()
    found: list[UrlCitation] = []
    end = 0
    for match in re.finditer(f"{_LINK.pattern}|(?P<bare>{_BARE.pattern})", text):
        linked = match["linked"]
        url = linked or match["bare"].rstrip(_AFTER)
        if url not in pages or match.start() < end:
            continue
        end = match.end() if linked else match.start() + len(url)
        found.append(UrlCitation(match.start(), end, pages[url] or match["title"] or "", url))
    return tuple(found)
