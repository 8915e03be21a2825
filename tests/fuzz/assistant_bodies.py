"""Valid bodies of assistants, threads, messages and runs."""

from __future__ import annotations

from typing import Any

from tests.fuzz.parts import ASSISTANT, IMAGE, SCHEMA, VECTOR_STORE

_FUNCTION: dict[str, Any] = {
    "type": "function",
    "function": {"name": "get_weather", "description": "a", "parameters": SCHEMA, "strict": True},
}
_SEARCH: dict[str, Any] = {
    "type": "file_search",
    "file_search": {
        "max_num_results": 3,
        "ranking_options": {"ranker": "auto", "score_threshold": 0.1},
    },
}
_STORES: dict[str, Any] = {"file_search": {"vector_store_ids": [VECTOR_STORE]}}
_CODE_FILES: dict[str, Any] = {"code_interpreter": {"file_ids": ["file-1"]}}
_NEW_STORE: dict[str, Any] = {
    "file_ids": ["file-1"],
    "chunking_strategy": {
        "type": "static",
        "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 50},
    },
    "metadata": {"a": "b"},
}
_NEW_STORES: dict[str, Any] = {"file_search": {"vector_stores": [_NEW_STORE]}}
_FORMAT: dict[str, Any] = {
    "type": "json_schema",
    "json_schema": {"name": "a", "schema": SCHEMA},
}
_MESSAGE: dict[str, Any] = {
    "role": "user",
    "content": [
        {"type": "text", "text": "fox"},
        {"type": "image_url", "image_url": {"url": IMAGE, "detail": "low"}},
        {"type": "image_file", "image_file": {"file_id": "file-1"}},
    ],
    "attachments": [
        {"file_id": "file-1", "tools": [{"type": "file_search"}, {"type": "code_interpreter"}]}
    ],
    "metadata": {"a": "b"},
}
_ASSISTANT: dict[str, Any] = {
    "name": "a",
    "description": "b",
    "instructions": "c",
    "tools": [_FUNCTION, _SEARCH],
    "tool_resources": _STORES,
    "metadata": {"a": "b"},
    "temperature": 0.5,
    "top_p": 0.5,
    "response_format": _FORMAT,
}
_RUN: dict[str, Any] = {
    "assistant_id": ASSISTANT,
    "instructions": "a",
    "tools": [_FUNCTION, _SEARCH],
    "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
    "parallel_tool_calls": False,
    "max_prompt_tokens": 50,
    "max_completion_tokens": 5,
    "truncation_strategy": {"type": "last_messages", "last_messages": 1},
    "metadata": {"a": "b"},
}

ASSISTANT_BODIES: dict[str, list[dict[str, Any]]] = {
    "AssistantCreateRequest": [
        _ASSISTANT,
        {"tools": [{"type": "code_interpreter"}], "tool_resources": _NEW_STORES | _CODE_FILES},
    ],
    "AssistantUpdateRequest": [_ASSISTANT, {"metadata": None}],
    "ThreadCreateRequest": [
        {"messages": [{"role": "user", "content": "fox"}, _MESSAGE], "tool_resources": _STORES},
        {"tool_resources": _NEW_STORES},
    ],
    "ThreadUpdateRequest": [
        {"metadata": {"a": "c"}, "tool_resources": None},
        {"tool_resources": _CODE_FILES},
    ],
    "MessageRequest": [_MESSAGE, {"role": "assistant", "content": "owl", "attachments": []}],
    "MetadataRequest": [{"metadata": {"a": "c"}}],
    "RunCreateRequest": [
        {**_RUN, "additional_instructions": "b", "additional_messages": [_MESSAGE]},
        {"assistant_id": ASSISTANT, "stream": True},
    ],
    "ThreadRunRequest": [
        {**_RUN, "tool_choice": {"type": "file_search"}, "tool_resources": _STORES},
        {
            "assistant_id": ASSISTANT,
            "thread": {"messages": [{"role": "user", "content": "fox"}]},
            "response_format": "auto",
            "stream": True,
        },
    ],
    "ToolOutputsRequest": [
        {"tool_outputs": [{"tool_call_id": "call_1", "output": "a"}], "stream": True}
    ],
}
