"""Cohere's client, of both versions of its API: reranking."""

import json
import os
from importlib.metadata import version

import cohere

URL = os.environ["OPENAI_BASE_URL"].removesuffix("/v1")
MODEL = "rerank-v3.5"
QUERY = "How do plants eat?"
TEXTS = [
    "Cats sleep all day.",
    "Photosynthesis turns light into sugar in the leaves of plants.",
    "Interest rates were raised again.",
]

current = cohere.ClientV2(api_key="dummy", base_url=URL)
ranked = current.rerank(model=MODEL, query=QUERY, documents=TEXTS, top_n=2)
older = cohere.Client(api_key="dummy", base_url=URL)
objects = older.rerank(
    model=MODEL,
    query=QUERY,
    documents=[{"title": text} for text in TEXTS],
    rank_fields=["title"],
    return_documents=True,
)
try:
    current.rerank(model=MODEL, query=QUERY, documents=[])
    error = None
except cohere.errors.BadRequestError as refused:
    error = refused.body["error"]["param"]
seen = {
    "version": version("cohere"),
    "indices": [one.index for one in ranked.results],
    "scores": [one.relevance_score for one in ranked.results],
    "warnings": ranked.meta.warnings,
    "documents": [one.document.title for one in objects.results],
    "error": error,
}
print(json.dumps(seen))
