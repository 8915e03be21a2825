"""`file_search`, for responses and for assistants: what models are told, and what is searched
for.
"""

from __future__ import annotations

from typing import Any

from openedai.contract.chat import Tool
from openedai.serving.tools.citations import ASKED_FOR_MARKS

FILE_SEARCH = Tool(
    name="file_search",
    description=f"Searches the user's files. {ASKED_FOR_MARKS}",
    parameters={
        "type": "object",
        "properties": {"query": {"type": "string", "description": "What to search for, in words."}},
        "required": ["query"],
        "additionalProperties": False,
    },
)
_MOST_QUERIES = 5
_LONGEST_QUERY = 4096  # characters
# The question is at the end of what the user says.
_LONGEST_QUESTION = 1000


def searched_texts(arguments: dict[str, Any], question: str) -> list[str]:
    """The texts to search for: what the model's call asks for, whatever the shape of its arguments,
    and the user's question, because small models often ask badly. Empty if both are.
    """
    given = arguments.get("queries", arguments.get("query"))
    texts = [text for text in _listed(given) if isinstance(text, str)][:_MOST_QUERIES]
    texts = [text.strip()[:_LONGEST_QUERY] for text in texts]
    texts.append(question.strip()[-_LONGEST_QUESTION:].strip())
    return list(dict.fromkeys(filter(None, texts)))


def _listed(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [given]
