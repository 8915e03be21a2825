"""Valid bodies of responses, of conversations, and of what is done with stored chats."""

from __future__ import annotations

from typing import Any

from tests.fuzz.parts import CONVERSATION, IMAGE, RESPONSE, SCHEMA

_SHOT = {
    "type": "computer_call_output",
    "call_id": "f",
    "output": {"type": "computer_screenshot", "image_url": IMAGE},
}
_EXEC = {"type": "exec", "command": ["ls"], "env": {"a": "b"}, "timeout_ms": 5}
_FUNCTION = {"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": True}
_TOOLS: list[dict[str, Any]] = [
    _FUNCTION,
    {"type": "custom", "name": "c", "format": {"type": "text"}},
    {
        "type": "custom",
        "name": "r",
        "format": {"type": "grammar", "syntax": "regex", "definition": "[a-z]+"},
    },
    {
        "type": "custom",
        "name": "l",
        "format": {
            "type": "grammar",
            "syntax": "lark",
            "definition": 'start: A ("b"i | /c/)~1..2\nA: "a".."c"\n%import common.WS\n%ignore WS',
        },
    },
    {"type": "namespace", "name": "n", "description": "d", "tools": [{**_FUNCTION, "name": "f"}]},
    {"type": "tool_search", "execution": "client", "parameters": SCHEMA},
    *({"type": name} for name in ("local_shell", "shell", "apply_patch", "computer")),
    {
        "type": "file_search",
        "vector_store_ids": ["vs_1"],
        "filters": {"type": "and", "filters": [{"type": "eq", "key": "a", "value": "b"}]},
        "max_num_results": 3,
        "ranking_options": {"ranker": "auto", "score_threshold": 0.1},
    },
    {"type": "image_generation", "size": "32x32", "partial_images": 1, "output_format": "png"},
    {
        "type": "mcp",
        "server_label": "m",
        "server_url": "http://127.0.0.1:9/mcp",
        "headers": {"x": "y"},
        "allowed_tools": {"tool_names": ["f"], "read_only": True},
        "require_approval": {"always": {"tool_names": ["f"]}, "never": {"read_only": True}},
    },
    {
        "type": "web_search",
        "filters": {"allowed_domains": ["a.example"]},
        "search_context_size": "low",
        "user_location": {"type": "approximate", "country": "DE"},
    },
]
_SAMPLING = {
    "top_k": 40,
    "min_p": 0.05,
    "repetition_penalty": 1.1,
    "presence_penalty": 0.5,
    "logit_bias": {"5": 1},
    "seed": 7,
    "stop": ["zz"],
    "regex": "[a-z ]*",
    "chat_template_kwargs": {"a": 1},
    "enable_thinking": False,
}
KEPT = {"id": "msg_1", "role": "user", "content": "x"}
MESSAGE = {
    "id": "msg_1",
    "role": "user",
    "content": [
        {"type": "input_text", "text": "what is it?"},
        {"type": "input_image", "image_url": IMAGE, "detail": "low"},
        {"type": "input_file", "file_data": "eA==", "filename": "a.txt"},
    ],
}
ITEMS: list[dict[str, Any]] = [
    {"role": "developer", "content": "be brief"},
    {
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "yes", "annotations": [], "logprobs": []}],
    },
    {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "s"}],
        "content": [{"type": "reasoning_text", "text": "t"}],
        "encrypted_content": "x",
    },
    {"type": "function_call", "call_id": "a", "name": "get_weather", "arguments": '{"city": "x"}'},
    {"type": "function_call_output", "call_id": "a", "output": "sunny"},
    {"type": "custom_tool_call", "call_id": "b", "name": "c", "input": "x"},
    {
        "type": "custom_tool_call_output",
        "call_id": "b",
        "output": [{"type": "input_text", "text": "x"}],
    },
    {"type": "local_shell_call", "call_id": "c", "status": "completed", "action": _EXEC},
    {"type": "local_shell_call_output", "call_id": "c", "output": "x"},
    {"type": "shell_call", "call_id": "d", "action": {"commands": ["ls"], "timeout_ms": 5}},
    {
        "type": "shell_call_output",
        "call_id": "d",
        "output": [{"stdout": "", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}],
    },
    {
        "type": "apply_patch_call",
        "call_id": "e",
        "operation": {"type": "update_file", "path": "a", "diff": "+x"},
    },
    {"type": "apply_patch_call_output", "call_id": "e", "status": "failed", "output": "x"},
    {
        "type": "computer_call",
        "call_id": "f",
        "action": {"type": "click", "button": "left", "x": 1, "y": 2},
        "pending_safety_checks": [],
    },
    {"type": "tool_search_call", "call_id": "g", "arguments": {"q": "x"}, "execution": "client"},
    {"type": "tool_search_output", "call_id": "g", "tools": [{**_FUNCTION, "name": "found"}]},
]
SERVED_ITEMS: list[dict[str, Any]] = [
    {"type": "file_search_call", "status": "completed", "queries": ["q"], "results": []},
    {
        "type": "image_generation_call",
        "id": "ig_1",
        "status": "completed",
        "result": "aaaa",
        "revised_prompt": "p",
    },
    {
        "type": "mcp_list_tools",
        "id": "mcpl_1",
        "server_label": "m",
        "tools": [{"name": "f", "input_schema": SCHEMA, "annotations": {"readOnlyHint": True}}],
    },
    {
        "type": "mcp_approval_request",
        "id": "mcpr_1",
        "server_label": "m",
        "name": "f",
        "arguments": "{}",
    },
    {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": False},
    {
        "type": "mcp_call",
        "id": "mcp_1",
        "server_label": "m",
        "name": "f",
        "arguments": "{}",
        "output": "x",
        "status": "completed",
    },
    {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}},
    {
        "type": "configuration_update",
        "reasoning": {"effort": "low"},
        "text": {"format": {"type": "json_schema", "name": "s", "schema": SCHEMA}},
    },
]
RESPONSE_BODIES: dict[str, list[dict[str, Any]]] = {
    "ResponseRequest": [
        {"input": "hi there", "max_output_tokens": 4, "metadata": {"a": "b"}, "user": "u"},
        {"input": "hi there", "max_output_tokens": 4, **_SAMPLING},
        {
            "input": ITEMS[:3],
            "stream": True,
            "stream_options": {"include_obfuscation": True},
            "include": ["message.output_text.logprobs", "reasoning.encrypted_content"],
            "top_logprobs": 2,
            "reasoning": {"effort": "low", "summary": "auto"},
            "store": False,
        },
        {
            "input": [*ITEMS, *SERVED_ITEMS],
            "tools": _TOOLS,
            "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [_TOOLS[1]]},
            "parallel_tool_calls": True,
            "stream": True,
        },
        {
            "input": [MESSAGE, _SHOT],
            "tools": [_FUNCTION],
            "tool_choice": "auto",
            "truncation": "auto",
        },
        {
            "input": [*ITEMS[:1], {"type": "item_reference", "id": "msg_1"}],
            "previous_response_id": RESPONSE,
        },
        {"input": "hi", "conversation": {"id": CONVERSATION}, "background": True, "stream": True},
        {"input": ITEMS[:5], "background": True, "temperature": 1, "top_p": 0.9},
        {
            "input": [*ITEMS[:2], {"type": "compaction_trigger"}],
            "background": True,
            "background_options": {"completion_window": "2h", "continuation_id": "c"},
        },
        {
            "input": "hi",
            "text": {
                "format": {"type": "json_schema", "name": "s", "schema": SCHEMA, "strict": True},
                "verbosity": "medium",
            },
            "context_management": [{"type": "compaction", "compact_threshold": 1000}],
            "moderation": {"model": "echo"},
            "prompt_cache_key": "k",
            "safety_identifier": "s",
            "service_tier": "auto",
        },
    ],
    "InputTokensRequest": [
        {"input": "hi", "instructions": "be brief", "tools": [_FUNCTION]},
        {"input": [*ITEMS, MESSAGE], "text": {"format": {"type": "json_object"}}},
    ],
    "CompactRequest": [
        {"input": ITEMS, "instructions": "be brief", "prompt_cache_key": "k"},
        {"input": "hi", "previous_response_id": RESPONSE},
    ],
    "ConversationCreateRequest": [
        {},
        {"items": ITEMS[:20], "metadata": {"a": "b"}},
        {"items": [MESSAGE, _SHOT]},
    ],
    "ConversationUpdateRequest": [{"metadata": {"a": "b"}}],
    "ItemCreateRequest": [{"items": ITEMS}, {"items": SERVED_ITEMS}, {"items": [MESSAGE]}],
    "ChatUpdateRequest": [{"metadata": {"a": "b"}}],
}
