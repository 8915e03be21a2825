"""The tool `file_search`: what the model calls, what it gets, and how it is cited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from openedai.bounded_json import read_json
from openedai.errors import APIError
from openedai.http.exchange import Exchange
from openedai.http.uses import ToolUse
from openedai.serving.tools.citations import Mark, Part, parts_text
from openedai.serving.tools.file_search import FILE_SEARCH, searched_texts
from openedai.serving.vector_stores.searching import Result, StoreQuery, StoreSearch

SEARCH = FILE_SEARCH.name
_LIMIT = 20  # results, if the tool does not say


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
    question: str,
) -> Searched:
    """Search for what a call of the model asks for, and for the user's question."""
    options = tool.get(SEARCH) or {}
    ranking = options.get("ranking_options") or {}
    least = float(ranking.get("score_threshold") or 0)
    shown = {"ranker": ranking.get("ranker") or "default_2024_08_21", "score_threshold": least}
    query = StoreQuery(
        texts=searched_texts(_arguments(arguments), question),
        limit=options.get("max_num_results") or _LIMIT,
        least_score=least,
        rerank="auto" if ranking.get("ranker") in (None, "auto") else "always",
    )
    if not stores or not query.texts:
        return Searched((), shown)
    began = exchange.seconds
    try:
        _, results = await searching.run(exchange, stores, query)
    except APIError as error:
        if error.status >= 500:
            raise
        return Searched((), shown, error.message)
    finally:
        exchange.tools.append(ToolUse(SEARCH, began, exchange.seconds))
    return Searched(results, shown)


def _arguments(text: str) -> dict[str, Any]:
    """The arguments of a call, whatever the model wrote."""
    try:
        values = read_json(text or "{}")
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


def results_text(call: dict[str, Any], first: int) -> str:
    """What the model reads of a call's results; `first` is the number of the first of them."""
    search = call[SEARCH]
    if "error" in search:
        return f"The search failed: {search['error']}"
    return parts_text([part_of(result) for result in search["results"]], first)


def part_of(result: dict[str, Any]) -> Part:
    """The part of a file that a result in a step represents."""
    return Part(result["file_id"], result["file_name"], result["content"][0]["text"])


def citation(part: Part, mark: Mark, start: int) -> dict[str, Any]:
    """The annotation of a mark that is at `start` of the text."""
    return {
        "type": "file_citation",
        "text": mark.text,
        "start_index": start,
        "end_index": start + len(mark.text),
        "file_citation": {"file_id": part.file},
    }
