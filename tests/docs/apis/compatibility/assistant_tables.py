"""The tables of docs/compatibility.md on assistants, threads and runs."""

from __future__ import annotations

from openai.types.beta import (
    assistant_create_params,
    assistant_list_params,
    assistant_update_params,
    thread_create_and_run_params,
    thread_create_params,
    thread_update_params,
)
from openai.types.beta.threads import (
    message_create_params,
    message_update_params,
    run_create_params,
    run_list_params,
    run_submit_tool_outputs_params,
    run_update_params,
)
from openai.types.beta.threads import message_list_params as thread_message_list_params
from openai.types.beta.threads.runs import step_list_params

from openedai.api.openai.assistants.run_types import (
    RunCreateRequest,
    StepListQuery,
    ThreadRunRequest,
    ToolOutputsRequest,
)
from openedai.api.openai.assistants.types import (
    AssistantCreateRequest,
    AssistantUpdateRequest,
    ListQuery,
    MessageListQuery,
    MessageRequest,
    MetadataRequest,
    ThreadCreateRequest,
    ThreadUpdateRequest,
)
from tests.docs.apis.compatibility.bodies import STREAM, Tables

THREAD = {"thread_id"}  # in the URL

ASSISTANT_TABLES: Tables = {
    ("Assistants", 0): (
        set(assistant_create_params.AssistantCreateParams.__annotations__),
        AssistantCreateRequest,
        {"model": "m"},
    ),
    ("Assistants", 1): (
        set(assistant_update_params.AssistantUpdateParams.__annotations__),
        AssistantUpdateRequest,
        {},
    ),
    ("Assistants", 2): (
        set(assistant_list_params.AssistantListParams.__annotations__),
        ListQuery,
        {},
    ),
    ("Threads", 0): (
        set(thread_create_params.ThreadCreateParams.__annotations__),
        ThreadCreateRequest,
        {},
    ),
    ("Threads", 1): (
        set(thread_update_params.ThreadUpdateParams.__annotations__),
        ThreadUpdateRequest,
        {},
    ),
    ("Messages of threads", 0): (
        set(message_create_params.MessageCreateParams.__annotations__),
        MessageRequest,
        {"role": "user", "content": "hi"},
    ),
    ("Messages of threads", 1): (
        set(message_update_params.MessageUpdateParams.__annotations__) - THREAD,
        MetadataRequest,
        {},
    ),
    ("Messages of threads", 2): (
        set(thread_message_list_params.MessageListParams.__annotations__),
        MessageListQuery,
        {},
    ),
    ("Runs", 0): (
        set(run_create_params.RunCreateParamsBase.__annotations__) - {"include"} | STREAM,
        RunCreateRequest,
        {"assistant_id": "a"},
    ),
    ("Runs", 1): (
        set(thread_create_and_run_params.ThreadCreateAndRunParamsBase.__annotations__) | STREAM,
        ThreadRunRequest,
        {"assistant_id": "a"},
    ),
    ("Runs", 2): (
        set(run_update_params.RunUpdateParams.__annotations__) - THREAD,
        MetadataRequest,
        {},
    ),
    ("Runs", 3): (
        set(run_submit_tool_outputs_params.RunSubmitToolOutputsParamsBase.__annotations__) - THREAD
        | STREAM,
        ToolOutputsRequest,
        {"tool_outputs": []},
    ),
    ("Runs", 4): (set(run_list_params.RunListParams.__annotations__), ListQuery, {}),
    ("Runs", 5): (
        set(step_list_params.StepListParams.__annotations__) - THREAD,
        StepListQuery,
        {},
    ),
}
