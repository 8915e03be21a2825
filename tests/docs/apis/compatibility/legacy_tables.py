"""The tables of docs/compatibility.md on endpoints that the official client has no more."""

from __future__ import annotations

from openedai.api.legacy.answers import AnswerRequest
from openedai.api.legacy.classifications import ClassificationRequest
from openedai.api.legacy.edits import EditRequest
from openedai.api.legacy.generate import EngineGenerateRequest
from openedai.api.legacy.search import SearchRequest
from tests.docs.apis.compatibility.bodies import (
    ANSWER,
    CLASSIFICATION,
    EDIT,
    GENERATE,
    SEARCH,
    Tables,
)

# As its last description had them.
PROMPTED = {"model", "search_model", "temperature", "logprobs", "logit_bias", "expand", "file"}
PROMPTED |= {"return_prompt", "return_metadata", "user"}

LEGACY_TABLES: Tables = {
    ("Edits", 0): (
        {"model", "input", "instruction", "n", "temperature", "top_p"},
        EditRequest,
        EDIT,
    ),
    ("Engines", 0): (
        {"context", "length", "completions", "temperature", "top_p"}
        | {"logprobs", "stop", "stream"},
        EngineGenerateRequest,
        GENERATE,
    ),
    ("Search", 0): (
        {"model", "query", "documents", "file", "max_rerank", "return_metadata", "user"},
        SearchRequest,
        SEARCH,
    ),
    ("Answers", 0): (
        {"question", "examples", "examples_context", "documents", "max_rerank"}
        | {"max_tokens", "stop", "n"}
        | PROMPTED,
        AnswerRequest,
        ANSWER,
    ),
    ("Classifications", 0): (
        {"query", "examples", "labels", "max_examples"} | PROMPTED,
        ClassificationRequest,
        CLASSIFICATION,
    ),
}
