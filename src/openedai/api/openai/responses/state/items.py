"""Input items as they are stored and shown: each with an id, in the API's full shape."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from openedai.store.conversations.conversations import Item
from openedai.store.conversations.responses import StoredResponse
from openedai.store.ids import is_id, ordered_id

Fields = dict[str, Any]

_PREFIXES = {
    "additional_tools": "at_",
    "apply_patch_call": "apc_",
    "apply_patch_call_output": "apco_",
    "code_interpreter_call": "ci_",
    "compaction": "cmp_",
    "computer_call": "cu_",
    "computer_call_output": "cuo_",
    "configuration_update": "cfg_",
    "custom_tool_call": "ctc_",
    "custom_tool_call_output": "ctco_",
    "file_search_call": "fs_",
    "function_call": "fc_",
    "function_call_output": "fco_",
    "image_generation_call": "ig_",
    "local_shell_call": "lsh_",
    "local_shell_call_output": "lsho_",
    "mcp_approval_request": "mcpr_",
    "mcp_approval_response": "mcpa_",
    "mcp_call": "mcp_",
    "mcp_list_tools": "mcpl_",
    "message": "msg_",
    "program": "prg_",
    "program_output": "prgo_",
    "reasoning": "rs_",
    "shell_call": "sh_",
    "shell_call_output": "sho_",
    "tool_search_call": "tsc_",
    "tool_search_output": "tso_",
    "web_search_call": "ws_",
}
_WITHOUT_STATUS = frozenset(
    {
        "additional_tools",
        "compaction",
        "configuration_update",
        "mcp_approval_request",
        "mcp_approval_response",
        "mcp_list_tools",
        "program",
        "reasoning",
    }
)
# The fields that an item of the type gets if the client left them out.
_DEFAULTS: dict[str, Fields] = {
    "additional_tools": {"role": "developer"},
    "computer_call": {"pending_safety_checks": []},
    "reasoning": {"summary": []},
    "tool_search_call": {"execution": "server"},
    "tool_search_output": {"execution": "server"},
}
_PART_DEFAULTS: dict[str, Fields] = {
    "input_image": {"detail": "auto"},
    "output_text": {"annotations": [], "logprobs": []},
}
_ABSENT = object()
# What is left out of items unless `include` names it: the type, the path of the field, and what is
# shown instead.
_OPTIONAL: tuple[tuple[str, str, tuple[str, ...], Any], ...] = (
    ("code_interpreter_call.outputs", "code_interpreter_call", ("outputs",), None),
    (
        "computer_call_output.output.image_url",
        "computer_call_output",
        ("output", "image_url"),
        None,
    ),
    ("file_search_call.results", "file_search_call", ("results",), None),
    ("message.input_image.image_url", "message", ("content", "input_image", "image_url"), None),
    ("message.output_text.logprobs", "message", ("content", "output_text", "logprobs"), []),
    ("reasoning.encrypted_content", "reasoning", ("encrypted_content",), None),
    ("web_search_call.action.sources", "web_search_call", ("action", "sources"), _ABSENT),
)


def stored_items(items: Iterable[Mapping[str, Any]]) -> list[Item]:
    """Items as they are stored. An item that a client sends with an id keeps it, if the id is
    valid.
    """
    return [_stored(item) for item in items]


def _stored(given: Mapping[str, Any]) -> Item:
    type = given.get("type") or "message"
    id = given.get("id") or ""
    if not is_id(id):
        id = ordered_id(_PREFIXES[type])
    fields: Fields = {"id": id, "type": type}
    if type not in _WITHOUT_STATUS:
        fields["status"] = given.get("status") or "completed"
    fields |= _DEFAULTS.get(type, {})
    fields |= {name: value for name, value in given.items() if value is not None}
    fields["id"], fields["type"] = id, type
    if type == "message":
        fields["content"] = _content(fields["role"], fields["content"])
    return Item(id, msgspec.json.encode(fields).decode())


def _content(role: str, content: Any) -> list[Fields]:
    """The parts of a message's content; a string is one part."""
    if isinstance(content, str):
        content = [
            {"type": "output_text" if role == "assistant" else "input_text", "text": content}
        ]
    return [{**_PART_DEFAULTS.get(part["type"], {}), **part} for part in content]


def shown(item: str, include: Collection[str] = ()) -> Any:
    """A stored item as a client sees it: only with the optional fields that `include` names."""
    fields: Fields = msgspec.json.decode(item)
    return _without(fields, [name for name, *_ in _OPTIONAL if name not in include])


def shown_response(response: StoredResponse, include: Collection[str] = ()) -> msgspec.Raw:
    """A stored response as a client sees it: what it hides is shown only if `include` names it."""
    hidden = [name for name in response.hidden.split(",") if name and name not in include]
    if not hidden:
        return msgspec.Raw(response.json())
    fields: Fields = msgspec.json.decode(response.json())
    fields["output"] = [_without(item, hidden) for item in fields["output"]]
    return msgspec.Raw(msgspec.json.encode(fields))


def _without(fields: Fields, names: Collection[str]) -> Fields:
    for name, type, path, instead in _OPTIONAL:
        if fields["type"] == type and name in names:
            _leave_out(fields, path, instead)
    return fields


def _leave_out(fields: Fields, path: tuple[str, ...], instead: Any) -> None:
    if path[0] == "content":
        _, part_type, name = path
        for part in fields["content"]:
            if part["type"] == part_type and name in part:
                part[name] = instead
        return
    holder = fields if len(path) == 1 else fields.get(path[0])
    if isinstance(holder, dict) and path[-1] in holder:
        if instead is _ABSENT:
            del holder[path[-1]]
        else:
            holder[path[-1]] = instead
