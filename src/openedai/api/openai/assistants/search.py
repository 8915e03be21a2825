"""The tool `file_search`: what the model calls, what it gets, and citations of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from openedai.bounded_json import read_json
from openedai.contract.chat import Tool
from openedai.errors import APIError
from openedai.http.exchange import Exchange
from openedai.serving.vector_stores.searching import Result, StoreQuery, StoreSearch

SEARCH = "file_search"
SEARCH_TOOL = Tool(
    name=SEARCH,
    description=(
        "Searches the files that the user has given. Each result begins with a mark such as "
        "【0†notes.txt】: copy the mark after every sentence that relies on the result."
    ),
    parameters={
        "type": "object",
        "properties": {
            "queries": {
                "type": "array",
                "items": {"type": "string"},
                "minItems": 1,
                "maxItems": 5,
                "description": "What to look for, in short questions or words.",
            }
        },
        "required": ["queries"],
        "additionalProperties": False,
    },
)
_LIMIT = 20  # results, if the tool does not say
_MOST_QUERIES = 5
_MOST_QUERY = 4096  # characters
_MARK = re.compile(r"【(\d{1,4})†[^】\n]{0,300}】")


@dataclass(frozen=True)
class Searched:
    """The results of a call, or why there are none."""

    results: Sequence[Result]
    ranking: dict[str, Any]
    error: str | None = None

    def shown(self, id: str) -> dict[str, Any]:
        """The call as its step shows it, with the texts; `first` numbers the results."""
        search: dict[str, Any] = {
            "ranking_options": self.ranking,
            "results": [_shown(one) for one in self.results],
        }
        if self.error is not None:
            search["error"] = self.error
        return {"id": id, "type": SEARCH, SEARCH: search}


def _shown(result: Result) -> dict[str, Any]:
    file = result.hit.file
    return {
        "file_id": file.file,
        "file_name": file.filename,
        "score": min(1.0, max(0.0, result.score)),
        "content": [{"type": "text", "text": result.hit.text}],
    }


async def search(
    searching: StoreSearch,
    exchange: Exchange,
    stores: Sequence[str],
    tool: dict[str, Any],
    arguments: str,
    asked: str,
) -> Searched:
    """Search as a call of the model asks, or else for what the user `asked`."""
    options = tool.get(SEARCH) or {}
    ranking = options.get("ranking_options") or {}
    least = float(ranking.get("score_threshold") or 0)
    shown = {"ranker": ranking.get("ranker") or "default_2024_08_21", "score_threshold": least}
    query = StoreQuery(
        texts=_queries(arguments) or [asked[:_MOST_QUERY]],
        limit=options.get("max_num_results") or _LIMIT,
        least_score=least,
    )
    if not stores or not query.texts[0].strip():
        return Searched((), shown)
    try:
        _, results = await searching.run(exchange, stores, query)
    except APIError as error:
        if error.status >= 500:
            raise
        return Searched((), shown, error.message)
    return Searched(results, shown)


def _queries(arguments: str) -> list[str]:
    """The queries of a call, of whatever shape the model has given them."""
    try:
        values = read_json(arguments or "{}")
    except ValueError:
        return []
    given = values.get("queries", values.get("query")) if isinstance(values, dict) else None
    texts = given if isinstance(given, list) else [given]
    found = [text.strip()[:_MOST_QUERY] for text in texts if isinstance(text, str)]
    return [text for text in found if text][:_MOST_QUERIES]


def results_text(call: dict[str, Any], first: int) -> str:
    """What the model reads of a call's results; `first` is the number of the first of them.

    A text cannot have marks of its own.
    """
    search = call[SEARCH]
    if "error" in search:
        return f"The search failed: {search['error']}"
    if not search["results"]:
        return "Nothing was found."
    return "\n\n".join(
        f"{mark(first + number, result)}\n{_unmarked(result['content'][0]['text'])}"
        for number, result in enumerate(search["results"])
    )


def mark(number: int, result: dict[str, Any]) -> str:
    """The mark of a result, by which the model cites it."""
    name = re.sub(r"[【】†\s]+", " ", result["file_name"])[:300]
    return f"【{number}†{name}】"


def _unmarked(text: str) -> str:
    return text.replace("【", "[").replace("】", "]")


def citations(text: str, results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The annotations of the marks in an answer."""
    return [
        {
            "type": "file_citation",
            "text": found[0],
            "start_index": found.start(),
            "end_index": found.end(),
            "file_citation": {"file_id": results[int(found[1])]["file_id"]},
        }
        for found in _MARK.finditer(text)
        if int(found[1]) < len(results)
    ]
