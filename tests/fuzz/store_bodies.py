"""Valid bodies of vector stores and containers, and of what is done with them."""

from __future__ import annotations

from typing import Any

_ATTRIBUTES: dict[str, Any] = {"year": 1984, "kind": "a", "read": True, "rate": 0.5}
_STATIC = {
    "type": "static",
    "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 50},
}
_FILTER: dict[str, Any] = {
    "type": "and",
    "filters": [
        {"type": "gte", "key": "year", "value": 1984},
        {
            "type": "or",
            "filters": [
                {"type": "in", "key": "kind", "value": ["a", "b"]},
                {"type": "ne", "key": "read", "value": False},
            ],
        },
    ],
}

STORE_BODIES: dict[str, list[dict[str, Any]]] = {
    "StoreCreateRequest": [
        {
            "name": "notes",
            "description": "mine",
            "metadata": {"a": "b"},
            "expires_after": {"anchor": "last_active_at", "days": 1},
            "embedding_model": "echo",
        },
        {"file_ids": ["file-1"], "chunking_strategy": _STATIC},
    ],
    "ContainerCreateRequest": [
        {
            "name": "a",
            "expires_after": {"anchor": "last_active_at", "minutes": 5},
            "memory_limit": "1g",
            "network_policy": {"type": "disabled"},
        },
        {"name": "b", "file_ids": ["file-1"]},
    ],
    "ContainerFileRequest": [{"file_id": "file-1"}],
    "StoreUpdateRequest": [{"name": "other", "metadata": {"a": "c"}, "expires_after": None}],
    "FileAddRequest": [
        {"file_id": "file-1", "attributes": _ATTRIBUTES, "chunking_strategy": {"type": "auto"}}
    ],
    "FileUpdateRequest": [{"attributes": _ATTRIBUTES}],
    "BatchAddRequest": [
        {"file_ids": ["file-1"], "attributes": _ATTRIBUTES, "chunking_strategy": _STATIC},
        {"files": [{"file_id": "file-1", "attributes": _ATTRIBUTES, "chunking_strategy": _STATIC}]},
    ],
    "StoreSearchRequest": [
        {"query": "fox", "filters": _FILTER, "max_num_results": 5, "rewrite_query": True},
        {
            "query": ["fox", "owl"],
            "ranking_options": {
                "ranker": "none",
                "score_threshold": 0.1,
                "hybrid_search": {"embedding_weight": 1, "text_weight": 2},
            },
        },
    ],
}
