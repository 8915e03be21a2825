"""The URLs of usage and costs, which admin keys may ask for."""

from __future__ import annotations

from openedai.api.calls import Calls
from openedai.api.route import Group, Route
from openedai.serving.services import Services

_KINDS = {
    "completions": "Tokens of chats, responses and completions",
    "embeddings": "Tokens that were embedded",
    "moderations": "Tokens that were moderated",
    "decisions": "Tokens of decisions",
    "images": "Images that were made",
    "audio_speeches": "Characters that were spoken",
    "audio_transcriptions": "Seconds that were transcribed",
    "vector_stores": "Bytes in vector stores",
    "file_search_calls": "Calls of file_search",
    "web_search_calls": "Calls of web_search",
    "code_interpreter_sessions": "Containers that were made for code",
}


def usage_routes(s: Services, calls: Calls) -> tuple[Route, ...]:
    """Sums by buckets of time, of all projects."""
    usage = Group(
        "openai.organization.usage_routes:UsageRoutes",
        *(calls, s.usage_sums, s.usage, s.vector_stores.stores),
    )
    base = "/v1/organization"
    return (
        *(Route("GET", f"{base}/usage/{kind}", usage[kind], text) for kind, text in _KINDS.items()),
        Route("GET", f"{base}/costs", usage["costs"], "What it cost, by the prices set"),
    )
