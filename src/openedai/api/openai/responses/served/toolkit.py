"""The tools that this server runs, as its settings say."""

from __future__ import annotations

from collections.abc import Mapping

from openedai.api.openai.responses.served.runner import Runner
from openedai.api.openai.responses.served.search import WebSearchRunner
from openedai.config import Settings
from openedai.serving.tools.web_search import WebSearch


def runners(settings: Settings) -> Mapping[str, Runner]:
    """What runs the tools, by their types. The types that are missing are those that it does not
    run.
    """
    found: dict[str, Runner] = {}
    if settings.web_search and not settings.offline:
        key = settings.web_search_key.reveal() if settings.web_search_key else ""
        search = WebSearch(settings.web_search, settings.web_search_url, key, settings.tool_timeout)
        found["web_search"] = WebSearchRunner(search)
    return found
