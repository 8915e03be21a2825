"""docs/compatibility.md agrees with the official client's types and with the code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from openai.types import (
    DecisionCreateParams,
    ImageCreateVariationParams,
    ImageInputReferenceParam,
    batch_create_params,
    batch_list_params,
    completion_create_params,
    container_create_params,
    container_list_params,
    embedding_create_params,
    file_create_params,
    file_list_params,
    image_edit_params,
    image_generate_params,
    moderation_create_params,
    upload_complete_params,
    upload_create_params,
    vector_store_create_params,
    vector_store_list_params,
    vector_store_search_params,
    vector_store_update_params,
)
from openai.types.audio import (
    speech_create_params,
    transcription_create_params,
    translation_create_params,
)
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
from openai.types.beta.threads import (
    message_list_params as thread_message_list_params,
)
from openai.types.beta.threads.runs import step_list_params
from openai.types.chat import (
    ChatCompletionContentPartParam,
    ChatCompletionMessageParam,
    completion_list_params,
    completion_update_params,
)
from openai.types.chat import completion_create_params as chat_params
from openai.types.chat.chat_completion_assistant_message_param import (
    ContentArrayOfContentPart as AssistantPart,
)
from openai.types.chat.completions import message_list_params
from openai.types.containers import file_create_params as container_file_params
from openai.types.containers import file_list_params as container_files_params
from openai.types.conversations import (
    conversation_create_params,
    conversation_update_params,
    item_create_params,
    item_list_params,
)
from openai.types.fine_tuning import job_create_params, job_list_params
from openai.types.fine_tuning.alpha import grader_run_params
from openai.types.graders import LabelModelGraderParam
from openai.types.responses import (
    ResponseInputItemParam,
    ResponseStreamEvent,
    input_item_list_params,
    response_create_params,
    response_retrieve_params,
)
from openai.types.uploads import part_create_params
from openai.types.vector_stores import file_batch_create_params
from openai.types.vector_stores import file_create_params as store_file_create_params
from openai.types.vector_stores import file_list_params as store_file_list_params
from openai.types.vector_stores import file_update_params as store_file_update_params
from pydantic import ValidationError

from openedai.api.legacy.answers import AnswerRequest
from openedai.api.legacy.classifications import ClassificationRequest
from openedai.api.legacy.edits import EditRequest
from openedai.api.legacy.generate import EngineGenerateRequest
from openedai.api.legacy.search import SearchRequest
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
from openedai.api.openai.batches.types import BatchCreateRequest, BatchListQuery
from openedai.api.openai.chat.messages import ChatMessage, Media
from openedai.api.openai.chat.stored_types import (
    ChatListQuery,
    ChatMessagesQuery,
    ChatUpdateRequest,
)
from openedai.api.openai.chat.types import ChatCompletionRequest
from openedai.api.openai.completions.types import CompletionRequest
from openedai.api.openai.containers.types import (
    ContainerCreateRequest,
    ContainerFileRequest,
    ContainerFilesQuery,
    ContainersQuery,
)
from openedai.api.openai.decisions.types import DecisionRequest
from openedai.api.openai.embeddings.types import EmbeddingRequest
from openedai.api.openai.files.types import FileCreateRequest, FileListQuery
from openedai.api.openai.fine_tuning.types import JobCreateRequest, JobListQuery
from openedai.api.openai.graders.types import GraderRunRequest, GraderValidateRequest
from openedai.api.openai.images.types import (
    ImageBody,
    ImageEditRequest,
    ImageGenerationRequest,
    ImageReference,
    ImageVariationRequest,
)
from openedai.api.openai.moderations.types import ModerationRequest
from openedai.api.openai.responses.conversations.types import (
    ConversationCreateRequest,
    ConversationUpdateRequest,
    ItemCreateRequest,
    ItemListQuery,
)
from openedai.api.openai.responses.input.media import Media as ResponseMedia
from openedai.api.openai.responses.output.events import Event
from openedai.api.openai.responses.prepare import engine_chat
from openedai.api.openai.responses.prepare import engine_request as response_request
from openedai.api.openai.responses.state.routes import InputItemsQuery, RetrieveQuery
from openedai.api.openai.responses.tools import callable_tools
from openedai.api.openai.responses.types import ResponseRequest
from openedai.api.openai.speech.types import SpeechRequest
from openedai.api.openai.transcriptions.types import TranscriptionRequest, TranslationRequest
from openedai.api.openai.uploads.types import (
    PartCreateRequest,
    UploadCompleteRequest,
    UploadCreateRequest,
)
from openedai.api.openai.vector_stores.search import StoreSearchRequest
from openedai.api.openai.vector_stores.types import (
    BatchAddRequest,
    FileAddRequest,
    FileUpdateRequest,
    StoreCreateRequest,
    StoreFilesQuery,
    StoreListQuery,
    StoreUpdateRequest,
)
from openedai.api.parameters.generation.other_servers import (
    OtherServersBody,
    OtherServersChatBody,
    OtherServersCompletionBody,
    OtherServersEmbeddingBody,
)
from openedai.config import ModelSpec
from openedai.http.body import AllowedOnly, Body
from openedai.http.upload import StreamedFile, Upload
from openedai.http.validation import as_invalid_request
from openedai.serving.images.inputs import ImageSources
from tests.docs.apis.organization_tables import (
    ORGANIZATION_REFUSED,
    ORGANIZATION_TABLES,
    ORGANIZATION_TYPES,
    ORGANIZATION_VALUES,
)
from tests.docs.pages import ROOT, code_words, section, tables
from tests.support import Running, fetch

PAGE = "docs/compatibility.md"
STREAM = {"stream"}
THREAD = {"thread_id"}  # in the URL
MESSAGE = {
    name
    for block_type in get_args(ChatCompletionMessageParam)
    for name in block_type.__annotations__
}

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
RESPONSE: dict[str, Any] = {"model": "m", "input": "hi"}
COMPLETION: dict[str, Any] = {"model": "m", "prompt": "hi"}
EMBEDDING: dict[str, Any] = {"model": "m", "input": "hi"}
DECISION: dict[str, Any] = {
    "model": "m",
    "input": "hi",
    "questions": [{"type": "predicate", "instructions": "hi"}],
}
UPLOAD = Upload("cat.png", "image/png", 1, ROOT / "cat.png")
FILE: dict[str, Any] = {"file": StreamedFile("a.txt", "", 1), "purpose": "vision"}
IMAGE: dict[str, Any] = {"prompt": "hi"}
IMAGE_EDIT: dict[str, Any] = {"prompt": "hi", "image": [UPLOAD]}
IMAGE_VARIATION: dict[str, Any] = {"image": UPLOAD}
SPEECH_FILE: dict[str, Any] = {"model": "m", "file": Upload("a.wav", "", 1, Path("a.wav"))}
SPEECH: dict[str, Any] = {"model": "m", "input": "hi", "voice": "alloy"}
EDIT: dict[str, Any] = {"model": "m", "instruction": "hi"}
GENERATE: dict[str, Any] = {"model": "m", "context": "hi"}
SEARCH: dict[str, Any] = {"model": "m", "query": "hi", "documents": ["hi"]}
ANSWER: dict[str, Any] = {
    "model": "m",
    "question": "hi",
    "documents": ["hi"],
    "examples": [["hi", "hi"]],
    "examples_context": "hi",
}
CLASSIFICATION: dict[str, Any] = {"model": "m", "query": "hi", "examples": [["a", "b"]] * 2}

GRADER: dict[str, Any] = {
    "type": "string_check",
    "name": "n",
    "operation": "eq",
    "input": "a",
    "reference": "b",
}
TUNING: dict[str, Any] = {"model": "m", "training_file": "file-1", "seed": 1}

# Of endpoints that the official client has no more, as its last description had them.
PROMPTED = {"model", "search_model", "temperature", "logprobs", "logit_bias", "expand", "file"}
PROMPTED |= {"return_prompt", "return_metadata", "user"}

# Table by table: the official names, our model, and a body to which a parameter is added.
Table = tuple[str, int]
TABLES: dict[Table, tuple[set[str], type[Body], dict[str, Any]]] = {
    ("Chat completions", 0): (
        set(chat_params.CompletionCreateParamsBase.__annotations__) | STREAM,
        ChatCompletionRequest,
        CHAT,
    ),
    ("Chat completions", 1): (MESSAGE, ChatMessage, {"role": "user", "content": "hi"}),
    ("Responses", 0): (
        set(response_create_params.ResponseCreateParamsBase.__annotations__) | STREAM,
        ResponseRequest,
        RESPONSE,
    ),
    ("Stored responses", 0): (
        set(response_retrieve_params.ResponseRetrieveParamsBase.__annotations__) | STREAM,
        RetrieveQuery,
        {},
    ),
    ("Stored responses", 1): (
        set(input_item_list_params.InputItemListParams.__annotations__),
        InputItemsQuery,
        {},
    ),
    ("Conversations", 0): (
        set(conversation_create_params.ConversationCreateParams.__annotations__),
        ConversationCreateRequest,
        {},
    ),
    ("Conversations", 1): (
        set(conversation_update_params.ConversationUpdateParams.__annotations__),
        ConversationUpdateRequest,
        {"metadata": None},
    ),
    ("Conversations", 2): (
        set(item_create_params.ItemCreateParams.__annotations__) - {"include"},
        ItemCreateRequest,
        {"items": [{"role": "user", "content": "old"}]},
    ),
    ("Conversations", 3): (
        set(item_list_params.ItemListParams.__annotations__),
        ItemListQuery,
        {},
    ),
    ("Stored chat completions", 0): (
        set(completion_list_params.CompletionListParams.__annotations__),
        ChatListQuery,
        {},
    ),
    ("Stored chat completions", 1): (
        set(message_list_params.MessageListParams.__annotations__),
        ChatMessagesQuery,
        {},
    ),
    ("Stored chat completions", 2): (
        set(completion_update_params.CompletionUpdateParams.__annotations__),
        ChatUpdateRequest,
        {"metadata": None},
    ),
    ("Completions", 0): (
        set(completion_create_params.CompletionCreateParamsBase.__annotations__) | STREAM,
        CompletionRequest,
        COMPLETION,
    ),
    ("Embeddings", 0): (
        set(embedding_create_params.EmbeddingCreateParams.__annotations__),
        EmbeddingRequest,
        EMBEDDING,
    ),
    ("Decisions", 0): (
        set(DecisionCreateParams.__annotations__),
        DecisionRequest,
        DECISION,
    ),
    ("Moderations", 0): (
        set(moderation_create_params.ModerationCreateParams.__annotations__),
        ModerationRequest,
        {"input": "hi"},
    ),
    ("Files", 0): (
        set(file_create_params.FileCreateParams.__annotations__),
        FileCreateRequest,
        FILE,
    ),
    ("Files", 1): (set(file_list_params.FileListParams.__annotations__), FileListQuery, {}),
    ("Uploads", 0): (
        set(upload_create_params.UploadCreateParams.__annotations__),
        UploadCreateRequest,
        {"bytes": 1, "filename": "a", "mime_type": "b", "purpose": "vision"},
    ),
    ("Uploads", 1): (
        set(part_create_params.PartCreateParams.__annotations__),
        PartCreateRequest,
        {"data": FILE["file"]},
    ),
    ("Uploads", 2): (
        set(upload_complete_params.UploadCompleteParams.__annotations__),
        UploadCompleteRequest,
        {"part_ids": []},
    ),
    ("Containers", 0): (
        set(container_create_params.ContainerCreateParams.__annotations__),
        ContainerCreateRequest,
        {"name": "a"},
    ),
    ("Containers", 1): (
        set(container_list_params.ContainerListParams.__annotations__),
        ContainersQuery,
        {},
    ),
    ("Containers", 2): (
        set(container_file_params.FileCreateParams.__annotations__),
        ContainerFileRequest,
        {},
    ),
    ("Containers", 3): (
        set(container_files_params.FileListParams.__annotations__),
        ContainerFilesQuery,
        {},
    ),
    ("Vector stores", 0): (
        set(vector_store_create_params.VectorStoreCreateParams.__annotations__),
        StoreCreateRequest,
        {},
    ),
    ("Vector stores", 1): (
        set(vector_store_update_params.VectorStoreUpdateParams.__annotations__),
        StoreUpdateRequest,
        {},
    ),
    ("Vector stores", 2): (
        set(vector_store_list_params.VectorStoreListParams.__annotations__),
        StoreListQuery,
        {},
    ),
    ("Vector stores", 3): (
        set(vector_store_search_params.VectorStoreSearchParams.__annotations__),
        StoreSearchRequest,
        {"query": "hi"},
    ),
    ("Files of vector stores", 0): (
        set(store_file_create_params.FileCreateParams.__annotations__),
        FileAddRequest,
        {"file_id": "file-2"},
    ),
    ("Files of vector stores", 1): (
        set(store_file_update_params.FileUpdateParams.__annotations__) - {"vector_store_id"},
        FileUpdateRequest,
        {"attributes": None},
    ),
    ("Files of vector stores", 2): (
        set(file_batch_create_params.FileBatchCreateParams.__annotations__),
        BatchAddRequest,
        {"file_ids": ["file-1"]},
    ),
    ("Files of vector stores", 3): (
        set(store_file_list_params.FileListParams.__annotations__),
        StoreFilesQuery,
        {},
    ),
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
    ("Batches", 0): (
        set(batch_create_params.BatchCreateParams.__annotations__),
        BatchCreateRequest,
        {"input_file_id": "f", "endpoint": "e", "completion_window": "24h"},
    ),
    ("Batches", 1): (set(batch_list_params.BatchListParams.__annotations__), BatchListQuery, {}),
    ("Fine-tuning jobs", 0): (
        set(job_create_params.JobCreateParams.__annotations__),
        JobCreateRequest,
        TUNING,
    ),
    ("Fine-tuning jobs", 1): (set(job_list_params.JobListParams.__annotations__), JobListQuery, {}),
    ("Graders", 0): (
        set(grader_run_params.GraderRunParams.__annotations__),
        GraderRunRequest,
        {"grader": GRADER, "model_sample": "hi"},
    ),
    ("Image generations", 0): (
        set(image_generate_params.ImageGenerateParamsBase.__annotations__) | STREAM,
        ImageGenerationRequest,
        IMAGE,
    ),
    ("Image edits", 0): (
        set(image_edit_params.ImageEditParamsBase.__annotations__) | STREAM,
        ImageEditRequest,
        IMAGE_EDIT,
    ),
    ("Image edits", 1): (
        set(ImageInputReferenceParam.__annotations__),
        ImageReference,
        {"image_url": "data:"},
    ),
    ("Image variations", 0): (
        set(ImageCreateVariationParams.__annotations__),
        ImageVariationRequest,
        IMAGE_VARIATION,
    ),
    ("Transcriptions", 0): (
        set(transcription_create_params.TranscriptionCreateParamsBase.__annotations__) | STREAM,
        TranscriptionRequest,
        SPEECH_FILE,
    ),
    ("Translations", 0): (
        set(translation_create_params.TranslationCreateParams.__annotations__),
        TranslationRequest,
        SPEECH_FILE,
    ),
    ("Speech", 0): (
        set(speech_create_params.SpeechCreateParams.__annotations__),
        SpeechRequest,
        SPEECH,
    ),
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

# What other servers have under /v1.
OTHER_SERVERS: dict[Table, tuple[set[str], type[Body], dict[str, Any]]] = {
    ("Other servers", 0): (set(OtherServersBody.model_fields), ChatCompletionRequest, CHAT),
    ("Other servers", 1): (
        set(OtherServersCompletionBody.model_fields),
        CompletionRequest,
        COMPLETION,
    ),
    ("Other servers", 2): (set(OtherServersChatBody.model_fields), ChatCompletionRequest, CHAT),
    ("Other servers", 3): (
        set(OtherServersEmbeddingBody.model_fields),
        EmbeddingRequest,
        EMBEDDING,
    ),
}
TABLES |= OTHER_SERVERS
TABLES |= ORGANIZATION_TABLES

TOOL: dict[str, Any] = {"type": "function", "function": {"name": "f"}}
FORMAT: dict[str, Any] = {"type": "json_schema"}
CALL: dict[str, Any] = {"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}

# Values that ask for something, for parameters of which any other value would do less.
REFUSED_VALUES: dict[str, Any] = {
    "skills": [{"type": "skill_reference", "skill_id": "skill_1"}],
    **ORGANIZATION_REFUSED,
    "access_programs": {"cyber": "standard"},
    "background": True,
    "prompt": {"id": "pmpt_1"},
    "integrations": [{"type": "wandb", "wandb": {"project": "p"}}],
    "complexity": "low",
    "file": "file-1",
    "frame_count": 4,
    "frame_duration_ms": 100,
    "markup": UPLOAD,
    "known_speaker_names": ["ann"],
    "known_speaker_references": ["data:audio/wav;base64,AAAA"],
    "refusal": "no",
    "svg": {"model": "m"},
    "web_search_options": {},
    # of other servers
    "add_bos_token": False,
    "auto_max_new_tokens": True,
    "chat_template": "{{ messages }}",
    "custom_token_bans": "1,2",
    "dynamic_temperature": True,
    "dynatemp_range": 0.5,
    "early_stopping": True,
    "echo": True,
    "encoder_repetition_penalty": 1.1,
    "epsilon_cutoff": 1,
    "eta_cutoff": 1,
    "guidance_scale": 2.0,
    "guided_whitespace_pattern": " ?",
    "impersonate": True,
    "include_reasoning": False,
    "length_penalty": 2.0,
    "logits_processors": ["x"],
    "lora": [{"id": 0, "scale": 1.0}],
    "max_tokens_second": 5,
    "min_keep": 2,
    "mode": "chat",
    "n_probs": 2,
    "negative_prompt": "x",
    "no_repeat_ngram_size": 2,
    "normalize": False,
    "parse_tool_calls": False,
    "penalize_nl": True,
    "penalty_alpha": 0.5,
    "post_sampling_probs": True,
    "reasoning_format": "none",
    "return_hidden_states": True,
    "return_token_ids": True,
    "return_tokens": True,
    "return_tokens_as_token_ids": True,
    "separate_reasoning": False,
    "skip_special_tokens": False,
    "smoothing_factor": 0.5,
    "spaces_between_special_tokens": False,
    "stop_regex": "a+",
    "stream_reasoning": False,
    "t_max_predict_ms": 100,
    "temperature_last": True,
    "tfs": 0.5,
    "tfs_z": 0.5,
    "thinking_budget": 5,
    "thinking_token_budget": 5,
    "top_a": 0.5,
    "truncate_prompt_tokens": 5,
    "truncation_side": "right",
    "use_beam_search": True,
}

# Values other than the default, for parameters that must reach the engine.
VALUES: dict[str, Any] = {
    "background_options": {"completion_window": "soonest"},
    "attributes": {"a": 1},
    "before": "file-1",
    "description": "of mine",
    "file_ids": ["file-2"],
    "filter": "failed",
    "filters": {"type": "eq", "key": "a", "value": 1},
    "max_num_results": 5,
    "ranking_options": {"ranker": "none"},
    "rewrite_query": True,
    "grader": {**GRADER, "operation": "ne"},
    "image": {"context_compression": "auto"},
    "max_output_tokens": 5,
    "max_tool_calls": 5,
    "store": True,
    "text": {"format": {"type": "json_object"}},
    "hyperparameters": {"n_epochs": 2},
    "method": {"type": "dpo"},
    "training_file": "file-2",
    "validation_file": "file-2",
    "bytes": 2,
    "data": StreamedFile("b.txt", "", 2),
    "file_id": "file-1",
    "filename": "b",
    "md5": "0" * 32,
    "mime_type": "text/csv",
    "part_ids": ["part_1"],
    "after": "file-1",
    "endpoint": "/v1/completions",
    "input_file_id": "file-1",
    "output_expires_after": {"anchor": "created_at", "seconds": 3600},
    "expires_after": {"anchor": "created_at", "seconds": 3600},
    "limit": 2,
    "order": "asc",
    # of other servers
    "add_generation_prompt": False,
    "allowed_token_ids": [1],
    "bad_words": ["x"],
    "ban_eos_token": True,
    "cache_prompt": True,
    "character": "Ann",
    "continue_": True,
    "continue_final_message": True,
    "do_sample": False,
    "draft_model": "small",
    "dynatemp_exponent": 2.0,
    "dynatemp_high": 2.0,
    "dynatemp_low": 0.5,
    "ebnf": 'root ::= "a"',
    "enable_thinking": False,
    "grammar_string": 'root ::= "a"',
    "guided_choice": ["a", "b"],
    "guided_decoding_backend": "xgrammar",
    "guided_grammar": 'root ::= "a"',
    "guided_json": {"type": "object"},
    "guided_regex": "a+",
    "id_slot": 1,
    "ignore_eos": True,
    "include_stop_str_in_output": True,
    "input_type": "query",
    "json_schema": '{"type": "object"}',
    "keep_alive": "5m",
    "min_tokens": 5,
    "mirostat_mode": 2,
    "n_cache_reuse": 256,
    "n_keep": -1,
    "n_predict": 5,
    "name1": "Ann",
    "name2": "Bob",
    "no_stop_trim": True,
    "priority": 1,
    "prompt_lookup_num_tokens": 4,
    "reasoning": {"effort": "low"},
    "repetition_penalty": 1.2,
    "repetition_penalty_range": 0,
    "request_id": "r1",
    "return_progress": True,
    "rid": "r1",
    "session_id": "s1",
    "smoothing_curve": 2.0,
    "stop_token_ids": [7],
    "stream_interval": 4,
    "structured_outputs": {"choice": ["a", "b"]},
    "think": False,
    "timings_per_token": True,
    "truncate_prompt_tokens": -1,
    "truncation_length": 2048,
    "ttl": 300,
    "background": "opaque",
    "chunking_strategy": "auto",
    "include": ["logprobs"],
    "keywords": ["ho"],
    "language": "fr",
    "languages": ["fr"],
    "timestamp_granularities": ["word"],
    "best_of": 2,
    "completions": 2,
    "content": "ho",
    "context": "ho",
    "dimensions": 2,
    "documents": ["ho"],
    "echo": True,
    "examples": [["ho", "ho"], ["ho", "ho"]],
    "examples_context": "ho",
    "frequency_penalty": 1.5,
    "function_call": {"name": "f"},
    "functions": [{"name": "f"}],
    "grammar": 'root ::= "a"',
    "guidance_scale": 5.0,
    "image_url": "data:image/png;base64,",
    "input": "ho",
    "input_fidelity": "high",
    "instruction": "ho",
    "instructions": "Whisper.",
    "labels": ["b", "c"],
    "length": 5,
    "logit_bias": {"5": 1},
    "max_completion_tokens": 5,
    "max_examples": 5,
    "max_rerank": 5,
    "max_tokens": 5,
    "mask": UPLOAD,
    "item": {"a": "b"},
    "messages": [{"role": "user", "content": "ho"}],
    "model_sample": "ho",
    "metadata": {"a": "b"},
    "moderation": "low",
    "n": 2,
    "name": "ann",
    "output_compression": 50,
    "output_format": "webp",
    "parallel_tool_calls": False,
    "partial_images": 2,
    "prediction": {"type": "content", "content": "x"},
    "presence_penalty": 1.5,
    "prompt": "ho",
    "prompt_cache_key": "key",
    "prompt_cache_options": {"mode": "explicit"},
    "prompt_cache_retention": "24h",
    "quality": "high",
    "prompt_logprobs": 2,
    "query": "ho",
    "question": "ho",
    "reasoning_effort": "low",
    "regex": "a+",
    "response_format": {"type": "json_object"},
    "return_metadata": True,
    "role": "assistant",
    "safety_identifier": "someone",
    "seed": 5,
    "service_tier": "flex",
    "size": "64x32",
    "speed": 2.0,
    "stop": "END",
    "style": "natural",
    "suffix": "end",
    "temperature": 0.5,
    "tool_call_id": "call_1",
    "tool_calls": [CALL],
    "tool_choice": "required",
    "tools": [TOOL],
    "top_logprobs": 2,
    "top_p": 0.5,
    "user": "someone",
    "verbosity": "low",
    "voice": "ash",
    # extensions
    "chat_template_kwargs": {"a": 1},
    "dry_allowed_length": 3,
    "dry_base": 1.5,
    "dry_multiplier": 0.8,
    "dry_penalty_last_n": 64,
    "dry_sequence_breakers": ["x"],
    "min_p": 0.1,
    "mirostat": 2,
    "mirostat_eta": 0.2,
    "mirostat_tau": 4.0,
    "reasoning_content": "Hm.",
    "negative_prompt": "no",
    "repeat_last_n": 32,
    "repeat_penalty": 1.1,
    "sampler": "ddim",
    "steps": 5,
    "strength": 0.5,
    "top_k": 5,
    "typical_p": 0.9,
    "xtc_probability": 0.5,
    "xtc_threshold": 0.2,
}

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

# Those that routes read themselves, tested in tests/api.
READ_BY_ROUTES = {"model", "stream", "stream_options", "stream_format", "encoding_format"}
READ_BY_ROUTES |= {"search_model", "return_prompt", "expand"}
READ_BY_ROUTES |= {"context_management", "conversation", "previous_response_id", "truncation"}
READ_BY_ROUTES |= {"max_tool_calls"}
READ_BY_ROUTES |= {"modalities", "audio", "completion_window"}
# The same, in some bodies only.
READ_BY_ROUTES_OF: dict[str, tuple[type[Body], ...]] = {
    "metadata": (ChatCompletionRequest,),
    "moderation": (ChatCompletionRequest, ResponseRequest),
    "response_format": (ImageBody,),
    "background": (ResponseRequest,),
    "store": (ChatCompletionRequest, ResponseRequest),
}

# The codes that are put together from parts.
BOUNDS: dict[str, dict[str, Any]] = {
    "integer_above_max_value": {"n": 129},
    "integer_below_min_value": {"n": 0},
    "decimal_above_max_value": {"top_p": 1.5},
    "decimal_below_min_value": {"top_p": -1.0},
    "array_above_max_length": {"stop": list("abcde")},
    "array_below_min_length": {"messages": []},
    "string_above_max_length": {"grammar": "x" * 65537},
    "string_below_min_length": {"stop": [""]},
}


def rows(table: Table) -> list[list[str]]:
    return tables(section(PAGE, table[0]))[table[1]]


def documented(table: Table, *statuses: str) -> list[str]:
    return [row[0].strip("`") for row in rows(table) if row[1] in statuses]


def cases(*statuses: str) -> list[tuple[Table, str]]:
    return [(table, name) for table in TABLES for name in documented(table, *statuses)]


def engine_request(model: type[Body], body: dict[str, Any]) -> Any:
    """What the engine gets of a body."""
    value = model.model_validate(body)
    if isinstance(value, ORGANIZATION_TYPES):
        return value
    match value:
        case ChatMessage():
            return value.to_engine(0, Media())
        case ImageEditRequest():
            inputs = value.inputs(), value.mask_input()
            return inputs, value.to_engine_request(ImageSources())
        case ImageVariationRequest():
            return value.inputs(), value.to_engine_request(ImageSources())
        case ImageReference():
            return value.image_url, value.file_id
        case ImageGenerationRequest():
            return value.to_engine_request()
        case EditRequest():
            return value.to_engine_requests(ModelSpec(id="m", engine="echo"))
        case EngineGenerateRequest():
            return value.completion().to_engine_requests()
        case SearchRequest():
            return value.query, value.documents
        case AnswerRequest():
            return value.request_with(range(len(value.documents))).to_engine_requests()
        case ClassificationRequest():
            return value.request_with(range(len(value.examples))).to_engine_requests()
        case ChatCompletionRequest():
            return value.to_engine_requests(Media())
        case ResponseRequest():
            tools = callable_tools(value.tools or (), (), strict=False)
            items = [("input", item) for item in value.items()]
            chat = engine_chat(value, items, tools, ResponseMedia())
            return response_request(value, chat), value.options(), value.metadata
        case CompletionRequest():
            return value.to_engine_requests()
        case FileCreateRequest() | FileListQuery() | PartCreateRequest() | UploadCompleteRequest():
            return value
        case BatchCreateRequest() | BatchListQuery():
            return value
        case ChatListQuery() | ChatMessagesQuery() | ChatUpdateRequest():
            return value
        case RetrieveQuery():
            return value.stream, value.starting_after, value.include
        case StoreCreateRequest() | StoreUpdateRequest() | StoreListQuery():
            return value
        case ContainerCreateRequest() | ContainerFileRequest() | ContainerFilesQuery():
            return value
        case FileAddRequest() | FileUpdateRequest() | BatchAddRequest():
            return value
        case StoreSearchRequest():
            return value.to_query()
        case AssistantCreateRequest() | AssistantUpdateRequest() | MetadataRequest():
            return value
        case ThreadCreateRequest() | ThreadUpdateRequest() | MessageRequest() | ListQuery():
            return value
        case RunCreateRequest() | ThreadRunRequest() | ToolOutputsRequest():
            return value
        case InputItemsQuery() | ItemListQuery() | ItemCreateRequest():
            return value
        case ConversationCreateRequest() | ConversationUpdateRequest():
            return value
        case UploadCreateRequest():
            return value.bytes, value.filename, value.purpose, value.expires_after
        case ModerationRequest():
            return value.texts()
        case JobCreateRequest():
            return value.new_job()
        case JobListQuery():
            return value
        case GraderRunRequest():
            return value.to_grader(), value.model_sample, value.item
        case DecisionRequest():
            return value.to_engine_request()
        case EmbeddingRequest() | TranscriptionRequest() | TranslationRequest() | SpeechRequest():
            return value.to_engine_request()


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_every_official_parameter_has_one_row(table: Table) -> None:
    names = [row[0].strip("`") for row in rows(table)]
    assert len(names) == len(set(names))
    assert set(names) == TABLES[table][0]
    assert {row[1] for row in rows(table)} <= {"honoured", "no effect", "refused"}


def test_every_part_of_a_message_has_one_row() -> None:
    """Each type, and the other fields of images; refused parts are refused by their type."""
    listed = [row[0].strip("`") for row in rows(("Chat completions", 2))]
    unions = (ChatCompletionContentPartParam, AssistantPart)
    parts = {part for union in unions for part in get_args(union)}
    types = {get_args(get_type_hints(part)["type"])[0] for part in parts}
    assert set(listed) == types | {"image_url.detail", "prompt_cache_breakpoint"}
    for block_type in documented(("Chat completions", 2), "refused"):
        with pytest.raises(ValidationError) as caught:
            ChatMessage.model_validate({"role": "user", "content": [{"type": block_type}]})
        assert as_invalid_request(caught.value.errors()).code == "unsupported_value"


def test_every_type_of_grader_has_one_row() -> None:
    listed = {row[0].strip("`") for row in rows(("Graders", 1))}
    hints = get_type_hints(grader_run_params.GraderRunParams)
    types = (*get_args(hints["grader"]), LabelModelGraderParam)
    assert listed == {get_args(get_type_hints(one)["type"])[0] for one in types}
    (python,) = documented(("Graders", 1), "refused")
    with pytest.raises(ValidationError) as caught:
        GraderValidateRequest.model_validate({"grader": {"type": python}})
    assert as_invalid_request(caught.value.errors()).code == "unsupported_value"


def test_every_item_of_responses_has_one_row() -> None:
    """Each type, of which the refused ones are refused by their name."""
    table = rows(("Responses", 1))
    types = {
        kind
        for item in get_args(ResponseInputItemParam)
        for kind in get_args(get_type_hints(item)["type"])
        if isinstance(kind, str)
    } | {"item_reference"}
    assert {row[0].strip("`") for row in table} == types
    for row in table:
        code = None
        try:
            ResponseRequest.model_validate({**RESPONSE, "input": [{"type": row[0].strip("`")}]})
        except ValidationError as error:
            code = as_invalid_request(error.errors()).code
        assert (code == "unsupported_value") == (row[1] == "refused")


def test_every_event_of_responses_has_one_row() -> None:
    """Those that are sent are those that the code has."""
    table = rows(("Responses", 2))
    union, _ = get_args(ResponseStreamEvent)
    names = {get_args(one.model_fields["type"].annotation)[0] for one in get_args(union)}
    listed = {row[0].strip("`"): row[1] for row in table}
    assert len(listed) == len(table)
    assert set(listed) == names
    sent = {name for name, status in listed.items() if status == "sent"}
    assert sent == {*_tags(Event)}


def _tags(event: type[Event]) -> Iterator[str]:
    """The types of the events that are made of the class."""
    for one in event.__subclasses__():
        tag = one.__struct_config__.tag
        if not one.__subclasses__():
            assert isinstance(tag, str)
            yield tag
        yield from _tags(one)


def refused_value(model: type[Body], name: str) -> Any:
    """A value that requests something."""
    if name == "add_special_tokens":  # completions have them, chat templates bring them
        return model is ChatCompletionRequest
    return REFUSED_VALUES[name]


@pytest.mark.parametrize(("table", "name"), cases("refused"))
def test_refused_parameters_are_refused(table: Table, name: str) -> None:
    _, model, body = TABLES[table]
    with pytest.raises(ValidationError) as caught:
        model.model_validate({**body, name: refused_value(model, name)})
    error = as_invalid_request(caught.value.errors())
    assert (error.code, error.param) == ("unsupported_parameter", name)
    model.model_validate({**body, name: None})


@pytest.mark.parametrize(("table", "name"), cases("refused"))
def test_accepted_values_of_refused_parameters_are_documented(table: Table, name: str) -> None:
    (only,) = [
        mark for mark in TABLES[table][1].model_fields[name].metadata if type(mark) is AllowedOnly
    ]
    (note,) = [row[2] for row in rows(table) if row[0] == f"`{name}`"]
    assert bool(only.values) == ("accepted" in note)
    # Which are equal in Python.
    numbers: dict[int, tuple[str, ...]] = {1: ("true", "1"), 0: ("false", "0")}
    for value in only.values:
        texts = numbers.get(value, (str(value),)) if isinstance(value, int) else (str(value),)
        assert any(text.replace("'", '"') in note.replace("`", "") for text in texts)


@pytest.mark.parametrize(("table", "name"), cases("honoured"))
def test_honoured_parameters_reach_the_engine(table: Table, name: str) -> None:
    _, model, body = TABLES[table]
    marks = model.model_fields[name].metadata
    assert not any(isinstance(mark, AllowedOnly) for mark in marks)
    in_route = issubclass(model, READ_BY_ROUTES_OF.get(name, ()))
    if name not in READ_BY_ROUTES and not in_route:
        assert_changes_the_request(model, body, name)


def assert_changes_the_request(model: type[Body], body: dict[str, Any], name: str) -> None:
    value = VALUES_BY_TYPE.get((model, name), VALUES.get(name))
    needed_fields = NEEDED_FIELDS_BY_TYPE.get(model, NEEDED_FIELDS).get(name, {})
    assert value is not None
    assert engine_request(model, {**body, **needed_fields, name: value}) != engine_request(
        model, {**body, **needed_fields}
    )


@pytest.mark.parametrize("model", [ChatCompletionRequest, CompletionRequest])
def test_extensions_are_listed_and_reach_the_engine(model: type[Body]) -> None:
    """All fields that the official API does not have, and no others."""
    both, chat = (
        {code.removeprefix("messages[].") for row in table for code in code_words(row[0])}
        for table in tables(section(PAGE, "Extensions"))
    )
    table = "Chat completions" if model is ChatCompletionRequest else "Completions"
    official, _, body = TABLES[table, 0]
    listed = both | (chat if model is ChatCompletionRequest else set())
    theirs = set[str]().union(*(names for names, _, _ in OTHER_SERVERS.values()))
    own = set(model.model_fields) - official - theirs - {"response_format"}
    assert own == listed - {"reasoning_content"}
    for name in own:
        assert_changes_the_request(model, body, name)
    assert_changes_the_request(
        ChatMessage, {"role": "assistant", "content": "hi"}, "reasoning_content"
    )


@pytest.mark.parametrize("status", ["honoured", "no effect", "refused"])
def test_parameters_of_other_servers_are_the_same_in_completions(status: str) -> None:
    for name in documented(("Other servers", 0), status):
        if status == "honoured":
            assert_changes_the_request(CompletionRequest, COMPLETION, name)
        elif status == "no effect":
            body = {**COMPLETION, name: VALUES[name]}
            assert engine_request(CompletionRequest, body) == engine_request(
                CompletionRequest, COMPLETION
            )
        else:
            with pytest.raises(ValidationError):
                CompletionRequest.model_validate({**COMPLETION, name: REFUSED_VALUES[name]})
    assert_changes_the_request(CompletionRequest, COMPLETION, "response_format")


def test_values_of_other_servers() -> None:
    """Those that the page lists below the tables."""
    listed = re.findall(r"^- `([^`]+)`", section(PAGE, "Other servers"), re.MULTILINE)
    schema = {"type": "object"}
    message = {"role": "assistant", "content": "hi"}
    changes: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {
        "max_tokens": [({"max_tokens": -1}, {})],
        "top_k": [({"top_k": -1}, {"top_k": 0})],
        "dry_sequence_breakers": [
            (
                {"dry_sequence_breakers": text},
                {"dry_sequence_breakers": ["\n", ":"]},
            )
            for text in ('"\\n", ":"', '["\\n", ":"]')
        ],
        "response_format": [
            (
                {"response_format": {"type": kind, "schema": schema}},
                {"response_format": FORMAT | {"json_schema": {"name": "n", "schema": schema}}},
            )
            for kind in ("json_object", "json_schema")
        ],
        "messages[].reasoning": [
            (
                {"messages": [message | {"reasoning": "Hm.", "reasoning_details": [{}]}]},
                {"messages": [message | {"reasoning_content": "Hm."}]},
            )
        ],
    }
    assert set(listed) == set(changes)
    for theirs, ours in (pair for pairs in changes.values() for pair in pairs):
        assert engine_request(ChatCompletionRequest, {**CHAT, **theirs}) == engine_request(
            ChatCompletionRequest, {**CHAT, **ours}
        )
    (unlimited,) = engine_request(CompletionRequest, {**COMPLETION, "max_tokens": -1})
    assert unlimited.max_tokens is None


@pytest.mark.parametrize(
    ("table", "only"),
    [
        (("Image generations", 0), set()),
        (("Image edits", 0), {"strength"}),
        (("Image variations", 0), {"strength"}),
    ],
    ids=str,
)
def test_extensions_for_images_are_listed_and_reach_the_engine(
    table: Table, only: set[str]
) -> None:
    (listed,) = tables(section(PAGE, "Image extensions"))
    names = {code_words(row[0])[0] for row in listed} - {"strength"} | only
    official, model, body = TABLES[table]
    assert set(model.model_fields) - official - {"images"} == names
    for name in names:
        assert_changes_the_request(model, body, name)


@pytest.mark.parametrize(("table", "name"), cases("no effect"))
def test_parameters_without_effect_have_none(table: Table, name: str) -> None:
    _, model, body = TABLES[table]
    value = VALUES_BY_TYPE.get((model, name), VALUES.get(name))
    assert value is not None
    assert engine_request(model, {**body, name: value}) == engine_request(model, body)


def test_every_error_code_is_listed() -> None:
    (table,) = tables(section(PAGE, "Errors"))
    listed = {code for row in table for code in code_words(row[0])} - {"null"}
    source = "".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    written = set(re.findall(r'\bcode="([a-z0-9_]+)"', source))
    assert listed == written | set(BOUNDS)


@pytest.mark.parametrize(("code", "change"), BOUNDS.items())
def test_codes_of_bounds(code: str, change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        ChatCompletionRequest.model_validate({**CHAT, **change})
    assert as_invalid_request(caught.value.errors()).code == code


def test_every_header_is_listed(echo_server: Running) -> None:
    (table,) = tables(section(PAGE, "Headers"))
    listed = {code for row in table for code in code_words(row[0])}
    body = {**CHAT, "model": "echo"}
    sent = set(fetch(f"{echo_server.url}/v1/chat/completions", "POST", json=body).headers)
    plain = {"date", "server", "content-type", "content-length"}
    assert sent - plain == {name for name in listed if name in sent}
    others = {name for name in listed - sent if "ratelimit" not in name}
    retrying = {"retry-after", "retry-after-ms", "x-should-retry"}
    assert others == {*retrying, "allow", "x-openedai-warning"}
