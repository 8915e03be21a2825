"""Assistants, threads, messages, runs and steps as the API shows them."""

from __future__ import annotations

from typing import Any

from openedai.api.openai.assistants.served.code import CODE, shown_code
from openedai.api.openai.assistants.served.search import SEARCH
from openedai.api.openai.assistants.tools import shown_resources
from openedai.store.assistants.assistants import Assistant
from openedai.store.assistants.messages import Message
from openedai.store.assistants.runs import OPEN, Run
from openedai.store.assistants.steps import Step
from openedai.store.assistants.threads import Thread

Shown = dict[str, Any]


def assistant_object(assistant: Assistant) -> Shown:
    fields = assistant.fields
    return {
        "id": assistant.id,
        "object": "assistant",
        "created_at": int(assistant.created_at),
        "name": fields.name,
        "description": fields.description,
        "model": fields.model,
        "instructions": fields.instructions,
        "tools": fields.tools,
        "tool_resources": shown_resources(fields.stores, fields.code_files),
        "metadata": fields.metadata,
        "temperature": 1.0 if fields.temperature is None else fields.temperature,
        "top_p": 1.0 if fields.top_p is None else fields.top_p,
        "response_format": fields.response_format,
        "reasoning_effort": fields.reasoning_effort,
    }


def thread_object(thread: Thread) -> Shown:
    return {
        "id": thread.id,
        "object": "thread",
        "created_at": int(thread.created_at),
        "metadata": thread.fields.metadata,
        "tool_resources": shown_resources(thread.fields.stores, thread.fields.code_files),
    }


def message_object(message: Message) -> Shown:
    fields = message.fields
    reason = fields.incomplete_reason
    return {
        "id": message.id,
        "object": "thread.message",
        "created_at": fields.created_at,
        "assistant_id": fields.assistant,
        "thread_id": message.thread,
        "run_id": message.run,
        "status": fields.status,
        "incomplete_details": None if reason is None else {"reason": reason},
        "incomplete_at": fields.incomplete_at,
        "completed_at": fields.completed_at,
        "role": fields.role,
        "content": fields.content,
        "attachments": fields.attachments,
        "metadata": fields.metadata,
    }


def run_object(run: Run) -> Shown:
    fields = run.fields
    waiting, is_open = run.status == "requires_action", run.status in OPEN
    return {
        "id": run.id,
        "object": "thread.run",
        "created_at": int(run.created_at),
        "assistant_id": fields.assistant,
        "thread_id": run.thread,
        "status": run.status,
        "started_at": fields.started_at,
        "expires_at": int(run.expires_at) if is_open else None,
        "cancelled_at": fields.cancelled_at,
        "failed_at": fields.failed_at,
        "completed_at": fields.completed_at,
        "required_action": _required_action(fields.calls) if waiting else None,
        "last_error": _error(fields.error_code, fields.error),
        "model": fields.model,
        "instructions": fields.instructions,
        "tools": fields.tools,
        "tool_resources": shown_resources(fields.stores or None, fields.code_files or None),
        "metadata": fields.metadata,
        "temperature": 1.0 if fields.temperature is None else fields.temperature,
        "top_p": 1.0 if fields.top_p is None else fields.top_p,
        "reasoning_effort": fields.reasoning_effort,
        "max_completion_tokens": fields.max_completion_tokens,
        "max_prompt_tokens": fields.max_prompt_tokens,
        "truncation_strategy": fields.truncation,
        "incomplete_details": {"reason": fields.incomplete_reason}
        if run.status == "incomplete"
        else None,
        "usage": None if is_open else _usage(fields.prompt_tokens, fields.completion_tokens),
        "response_format": fields.response_format,
        "tool_choice": fields.tool_choice,
        "parallel_tool_calls": fields.parallel_tool_calls,
    }


def step_object(step: Step, *, with_contents: bool = False) -> Shown:
    """A step; `with_contents` adds the texts that a search found."""
    fields = step.fields
    details = _shown_details(fields.details, with_contents=with_contents)
    usage = None
    if fields.status != "in_progress":
        usage = _usage(fields.prompt_tokens or 0, fields.completion_tokens or 0)
    return {
        "id": step.id,
        "object": "thread.run.step",
        "created_at": fields.created_at,
        "run_id": step.run,
        "assistant_id": fields.assistant,
        "thread_id": step.thread,
        "type": fields.type,
        "status": fields.status,
        "cancelled_at": fields.cancelled_at,
        "completed_at": fields.completed_at,
        "expired_at": fields.expired_at,
        "failed_at": fields.failed_at,
        "last_error": _error(fields.error_code, fields.error),
        "step_details": details,
        "usage": usage,
        "metadata": fields.metadata,
    }


def _shown_details(details: Shown, *, with_contents: bool) -> Shown:
    if details["type"] != "tool_calls":
        return details
    calls = [_shown_call(call, with_contents=with_contents) for call in details["tool_calls"]]
    return {**details, "tool_calls": calls}


def _shown_call(call: Shown, *, with_contents: bool) -> Shown:
    if call["type"] == CODE:
        return shown_code(call)
    if with_contents or call["type"] != SEARCH or "results" not in call[SEARCH]:
        return call
    search = call["file_search"]
    results = [
        {name: value for name, value in one.items() if name != "content"}
        for one in search["results"]
    ]
    return {**call, "file_search": {**search, "results": results}}


def deleted_object(id: str, object: str) -> Shown:
    return {"id": id, "object": f"{object}.deleted", "deleted": True}


def _required_action(calls: list[Shown]) -> Shown:
    return {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}}


def _error(code: str | None, message: str | None) -> Shown | None:
    return None if code is None else {"code": code, "message": message or ""}


def _usage(prompt: int, completion: int) -> Shown:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
