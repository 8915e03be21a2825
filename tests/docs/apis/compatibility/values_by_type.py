"""Values of parameters that have different types in two bodies, and what must be beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from openedai.api.legacy.answers import AnswerRequest
from openedai.api.legacy.classifications import ClassificationRequest
from openedai.api.legacy.generate import EngineGenerateRequest
from openedai.api.openai.assistants.run_types import (
    RunCreateRequest,
    StepListQuery,
    ThreadRunRequest,
    ToolOutputsRequest,
)
from openedai.api.openai.assistants.types import (
    AssistantCreateRequest,
    AssistantUpdateRequest,
    MessageListQuery,
    MessageRequest,
    ThreadCreateRequest,
    ThreadUpdateRequest,
)
from openedai.api.openai.chat.messages import ChatMessage
from openedai.api.openai.chat.stored_types import ChatListQuery, ChatMessagesQuery
from openedai.api.openai.chat.types import ChatCompletionRequest
from openedai.api.openai.completions.types import CompletionRequest
from openedai.api.openai.containers.types import ContainerCreateRequest, ContainerFileRequest
from openedai.api.openai.decisions.types import DecisionRequest
from openedai.api.openai.files.types import FileCreateRequest, FileListQuery
from openedai.api.openai.images.types import ImageEditRequest, ImageVariationRequest
from openedai.api.openai.responses.conversations.types import (
    ConversationCreateRequest,
    ItemCreateRequest,
    ItemListQuery,
)
from openedai.api.openai.responses.state.routes import InputItemsQuery, RetrieveQuery
from openedai.api.openai.responses.types import ResponseRequest
from openedai.api.openai.speech.types import SpeechRequest
from openedai.api.openai.transcriptions.types import TranscriptionRequest, TranslationRequest
from openedai.api.openai.uploads.types import UploadCreateRequest
from openedai.api.openai.vector_stores.types import (
    BatchAddRequest,
    FileAddRequest,
    StoreCreateRequest,
    StoreUpdateRequest,
)
from openedai.http.body import Body
from openedai.http.upload import StreamedFile, Upload
from tests.docs.apis.compatibility.bodies import UPLOAD
from tests.docs.apis.compatibility.organization_tables import ORGANIZATION_VALUES
from tests.docs.apis.compatibility.values import TOOL
from tests.docs.pages import ROOT

# Those of which two bodies have different types.
_STORES: dict[str, Any] = {"file_search": {"vector_store_ids": ["vs_1"]}}

VALUES_BY_TYPE: dict[tuple[type[Body], str], Any] = {
    **ORGANIZATION_VALUES,
    **{
        (model, "tool_resources"): _STORES
        for model in (
            *(AssistantCreateRequest, AssistantUpdateRequest, ThreadRunRequest),
            *(ThreadCreateRequest, ThreadUpdateRequest),
        )
    },
    (ThreadCreateRequest, "messages"): [{"role": "user", "content": "hi"}],
    (MessageRequest, "role"): "assistant",
    (MessageRequest, "content"): "ho",
    (MessageRequest, "attachments"): [{"file_id": "file-1", "tools": [{"type": "file_search"}]}],
    (MessageListQuery, "run_id"): "run_1",
    (StepListQuery, "include"): ["step_details.tool_calls[*].file_search.results[*].content"],
    **{
        (model, name): value
        for model in (RunCreateRequest, ThreadRunRequest)
        for name, value in {
            "assistant_id": "b",
            "additional_messages": [{"role": "user", "content": "hi"}],
            "max_prompt_tokens": 5,
            "tool_choice": "none",
            "truncation_strategy": {"type": "auto"},
        }.items()
    },
    (RunCreateRequest, "additional_instructions"): "more",
    (ThreadRunRequest, "thread"): {"messages": [{"role": "user", "content": "hi"}]},
    (ToolOutputsRequest, "tool_outputs"): [{"tool_call_id": "a", "output": "b"}],
    (ResponseRequest, "include"): ["message.output_text.logprobs"],
    (InputItemsQuery, "include"): ["message.output_text.logprobs"],
    (InputItemsQuery, "order"): "asc",
    (ItemListQuery, "include"): ["message.output_text.logprobs"],
    (ItemListQuery, "order"): "asc",
    (ConversationCreateRequest, "items"): [{"role": "user", "content": "hi"}],
    (ItemCreateRequest, "items"): [{"role": "user", "content": "hi"}],
    (RetrieveQuery, "starting_after"): 3,
    (ContainerCreateRequest, "expires_after"): {"anchor": "last_active_at", "minutes": 5},
    (ContainerCreateRequest, "memory_limit"): "1g",
    (ContainerFileRequest, "file"): StreamedFile("b.txt", "", 2),
    (ContainerCreateRequest, "network_policy"): {"type": "disabled"},
    (StoreCreateRequest, "chunking_strategy"): {"type": "auto"},
    (StoreCreateRequest, "expires_after"): {"anchor": "last_active_at", "days": 1},
    (StoreUpdateRequest, "expires_after"): {"anchor": "last_active_at", "days": 1},
    (FileAddRequest, "chunking_strategy"): {"type": "auto"},
    (BatchAddRequest, "chunking_strategy"): {"type": "auto"},
    (BatchAddRequest, "files"): [{"file_id": "file-1"}],
    (RetrieveQuery, "include"): ["file_search_call.results"],
    (RetrieveQuery, "include_obfuscation"): True,
    (ResponseRequest, "tools"): [{"type": "function", "name": "f"}],
    (ChatListQuery, "order"): "desc",
    (ChatMessagesQuery, "order"): "desc",
    (ChatCompletionRequest, "logprobs"): True,
    (CompletionRequest, "logprobs"): 3,
    (EngineGenerateRequest, "logprobs"): 3,
    (AnswerRequest, "logprobs"): 3,
    (ClassificationRequest, "logprobs"): 3,
    (ImageEditRequest, "image"): [UPLOAD, UPLOAD],
    (ImageVariationRequest, "image"): Upload("dog.png", "", 1, ROOT / "dog.png"),
    (TranscriptionRequest, "file"): Upload("b.wav", "", 1, Path("b.wav")),
    (TranslationRequest, "file"): Upload("b.wav", "", 1, Path("b.wav")),
    (TranscriptionRequest, "response_format"): "verbose_json",
    (TranslationRequest, "response_format"): "verbose_json",
    (SpeechRequest, "response_format"): "wav",
    (ChatCompletionRequest, "documents"): [{"title": "a", "text": "b"}],
    (ChatMessage, "function_call"): {"name": "f", "arguments": ""},
    (FileCreateRequest, "file"): StreamedFile("b.txt", "", 1),
    (FileCreateRequest, "purpose"): "batch",
    (UploadCreateRequest, "purpose"): "batch",
    (FileListQuery, "purpose"): "batch",
    (DecisionRequest, "questions"): [{"type": "predicate", "instructions": "ho"}],
}

# What must stand beside a parameter for it to mean anything.
NEEDED_FIELDS: dict[str, dict[str, Any]] = {
    "function_call": {"functions": [{"name": "f"}, {"name": "g"}]},
    "output_compression": {"output_format": "jpeg"},
    "parallel_tool_calls": {"tools": [TOOL]},
    "partial_images": {"stream": True},
    "tool_choice": {"tools": [TOOL]},
    "top_logprobs": {"logprobs": True},
}

NEEDED_FIELDS_BY_TYPE: dict[type[Body], dict[str, dict[str, Any]]] = {
    ChatMessage: {},
    ResponseRequest: {"tool_choice": {"tools": [{"type": "function", "name": "f"}]}},
}
