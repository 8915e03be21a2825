"""A valid body for each type of body, with most of its parameters, from which the cases begin."""

from __future__ import annotations

from typing import Any

from tests.fuzz.assistant_bodies import ASSISTANT_BODIES
from tests.fuzz.organization_bodies import ORGANIZATION_BODIES
from tests.fuzz.parts import IMAGE, PICTURE, SCHEMA, SOUND
from tests.fuzz.response_bodies import RESPONSE_BODIES
from tests.fuzz.store_bodies import STORE_BODIES

FUNCTION = {"name": "get_weather", "description": "Weather", "parameters": SCHEMA}
TOOL = {"type": "function", "function": FUNCTION}
ARGUMENTS = '{"city": "Paris"}'
CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": ARGUMENTS},
}
USER = {"role": "user", "content": "hi there"}
LOCAL = {
    "top_k": 40,
    "min_p": 0.05,
    "typical_p": 0.9,
    "repeat_penalty": 1.1,
    "repeat_last_n": -1,
    "mirostat": 0,
    "dry_multiplier": 0.5,
    "dry_penalty_last_n": -1,
    "dry_sequence_breakers": ["\n"],
    "xtc_probability": 0.1,
}
SAMPLING = {
    "temperature": 0.7,
    "top_p": 0.9,
    "presence_penalty": 0.5,
    "frequency_penalty": -0.5,
    "logit_bias": {"5": 1},
    "seed": 7,
    "stop": ["zz"],
    "n": 2,
    "user": "someone",
    **LOCAL,
}
OPTIONS = {**LOCAL, "num_predict": 4, "num_ctx": 100, "temperature": 1, "stop": ["zz"], "seed": 1}
TURNS = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "name": "ann", "content": [{"type": "text", "text": "hi"}]},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
    USER,
]
IMAGES = {"prompt": "a fox", "n": 1, "size": "16x16", "seed": 3, "response_format": "b64_json"}
QUESTIONS = {"temperature": 0, "logprobs": 2, "logit_bias": {"3": -1}, "return_prompt": True}
PAIRS = [["a fox", "Animal"], ["an oak", "Plant"]]

_GRADERS: list[dict[str, Any]] = [
    {
        "type": "string_check",
        "name": "g",
        "input": "{{sample.output_text}}",
        "reference": "{{item.a}}",
        "operation": "eq",
    },
    {
        "type": "text_similarity",
        "name": "g",
        "input": "{{sample.output_text}}",
        "reference": "{{item.a}}",
        "evaluation_metric": "fuzzy_match",
    },
]
CUSTOM: dict[str, Any] = {
    "type": "custom",
    "custom": {
        "name": "c",
        "format": {
            "type": "grammar",
            "grammar": {"syntax": "lark", "definition": 'start: "a" | /b+/'},
        },
    },
}
CUSTOM_CALLS: list[dict[str, Any]] = [
    {
        "role": "assistant",
        "tool_calls": [{"id": "x", "type": "custom", "custom": {"name": "c", "input": "a"}}],
    },
    {"role": "tool", "tool_call_id": "x", "content": "done"},
]
BODIES: dict[str, list[dict[str, Any]]] = {
    "ChatCompletionRequest": [
        {"messages": [USER], "max_tokens": 4, "stream": True, **SAMPLING},
        {
            "messages": [USER, *CUSTOM_CALLS],
            "tools": [CUSTOM],
            "tool_choice": {"type": "custom", "custom": {"name": "c"}},
            "stream": True,
        },
        {
            "messages": TURNS,
            "tools": [TOOL, CUSTOM],
            "tool_choice": "auto",
            "parallel_tool_calls": True,
            "chat_template_kwargs": {"enable_thinking": False},
            "max_completion_tokens": 5,
        },
        {
            "messages": [USER],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "s", "schema": SCHEMA, "strict": True},
            },
            "logprobs": True,
            "top_logprobs": 2,
            "reasoning_effort": "none",
            "metadata": {"a": "b"},
        },
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "what is it?"},
                        {"type": "image_url", "image_url": {"url": IMAGE, "detail": "low"}},
                        {"type": "file", "file": {"file_data": "eA==", "filename": "a.txt"}},
                    ],
                }
            ],
            "stream": True,
            "stream_options": {"include_usage": True, "include_obfuscation": True},
        },
        {"messages": [{**USER, "content": [{"type": "file", "file": {"file_id": "file-1"}}]}]},
        {"messages": [USER], "functions": [FUNCTION], "function_call": "auto", "max_tokens": 5},
        {"messages": [USER], "regex": "[a-z]{3}", "max_tokens": 4},
        {"messages": [USER], "grammar": 'root ::= "yes" | "no"', "max_tokens": 4},
        {
            "messages": [USER],
            "modalities": ["text", "audio"],
            "audio": {"voice": "alloy", "format": "wav"},
        },
    ],
    "CompletionRequest": [
        {"prompt": "once", "max_tokens": 4, "echo": True, "logprobs": 2, **SAMPLING},
        {"prompt": ["a", "b"], "best_of": 2, "n": 1, "max_tokens": 3},
        {"prompt": [1, 2, 3], "max_tokens": 0, "echo": True, "logprobs": 1},
        {"prompt": [[1, 2], [3]], "stream": True, "stream_options": {"include_usage": True}},
    ],
    "EmbeddingRequest": [
        {"input": "a text", "dimensions": 4, "encoding_format": "float", "user": "u"},
        {"input": ["a", "b"], "encoding_format": "base64"},
        {"input": [[1, 2], [3]]},
    ],
    "DecisionRequest": [
        {
            "input": "The fox is red.",
            "questions": [
                {"type": "predicate", "name": "red", "instructions": "Is it red?"},
                {
                    "type": "choice",
                    "instructions": [{"type": "input_json", "data": {"what": "animal"}}],
                    "choices": [{"value": "fox", "description": "wild"}, {"value": True}],
                },
            ],
            "prompt_cache_key": "k",
        },
        {
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "a fox"}]},
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": ARGUMENTS},
                {"type": "function_call_output", "call_id": "c", "output": "red"},
            ],
            "questions": [
                {
                    "type": "score",
                    "instructions": "How red?",
                    "levels": [{"label": "pale"}, {"label": "red"}],
                }
            ],
        },
    ],
    "SystemOneRequest": [
        {
            "state": {"animal": "fox"},
            "questions": {
                "a": {"type": "noul", "instructions": "Red?", "criteria": {"true": "red"}},
                "b": {"type": "choice", "instructions": ["?"], "criteria": {"x": None, "y": "z"}},
                "c": {"type": "score", "instructions": "How red?", "criteria": ["a", "b"]},
            },
            "images": [],
        }
    ],
    "SpeechRequest": [
        {"input": "Hello.", "voice": "alloy", "response_format": "wav", "speed": 1.5},
        {"input": "Hello.", "voice": {"id": "alloy"}, "stream_format": "sse"},
    ],
    "ImageGenerationRequest": [
        {**IMAGES, "quality": "low", "background": "opaque", "output_format": "png"},
        {**IMAGES, "stream": True, "partial_images": 2, "output_format": "jpeg"},
        {**IMAGES, "response_format": "url", "negative_prompt": "x", "steps": 2, "style": "vivid"},
    ],
    "ImageEditRequest": [
        {**IMAGES, "image": [PICTURE, PICTURE], "mask": PICTURE, "input_fidelity": "high"},
        {**IMAGES, "images": [{"image_url": IMAGE}], "mask": {"image_url": IMAGE}},
    ],
    "ImageVariationRequest": [{"image": PICTURE, "n": "2", "size": "16x16", "strength": "0.5"}],
    "TranscriptionRequest": [
        {"file": SOUND, "response_format": "verbose_json", "timestamp_granularities": ["word"]},
        {"file": SOUND, "stream": "true", "include": ["logprobs"], "languages": ["en", "de"]},
        {"file": SOUND, "chunking_strategy": {"type": "server_vad"}, "keywords": ["fox"]},
    ],
    "TranslationRequest": [{"file": SOUND, "response_format": "srt", "temperature": "0.2"}],
    "EditRequest": [{"instruction": "shorten", "input": "a b c", "n": 2, "temperature": 1}],
    "SearchRequest": [{"query": "fox", "documents": ["fox", "owl"], "max_rerank": 3}],
    "AnswerRequest": [
        {
            **QUESTIONS,
            "question": "who?",
            "examples": [["q", "a"]],
            "examples_context": "c",
            "documents": ["d", "e"],
            "max_tokens": 5,
            "stop": ["\n"],
            "n": 2,
            "expand": ["completion"],
        }
    ],
    "ClassificationRequest": [
        {**QUESTIONS, "query": "a fir", "examples": PAIRS, "labels": ["Animal", "Plant"]}
    ],
    "EngineGenerateRequest": [
        {"context": "once", "length": 4, "completions": 2, "logprobs": 1, "stop": "zz"},
        {"context": "once", "stream": True},
    ],
    "MessagesRequest": [
        {"messages": [USER], "max_tokens": 5, "stream": True, "stop_sequences": ["zz"], **LOCAL},
        {
            "messages": [
                USER,
                {
                    "role": "assistant",
                    "content": [
                        {"type": "text", "text": "a"},
                        {"type": "tool_use", "id": "t1", "name": "get_weather", "input": {}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "t1", "content": "sunny"},
                        {
                            "type": "image",
                            "source": {
                                "type": "base64",
                                "media_type": "image/png",
                                "data": IMAGE.partition(",")[2],
                            },
                        },
                    ],
                },
            ],
            "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
            "tools": [{"name": "get_weather", "description": "d", "input_schema": SCHEMA}],
            "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "max_tokens": 2000,
            "metadata": {"user_id": "u"},
        },
    ],
    "CountTokensRequest": [{"messages": [USER], "system": "s"}],
    "ChatBody": [
        {"messages": [USER], "options": OPTIONS, "keep_alive": "5m", "format": "json"},
        {
            "messages": [
                {"role": "user", "content": "hi", "images": [IMAGE.partition(",")[2]]},
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [{"function": {"name": "get_weather", "arguments": {}}}],
                },
                {"role": "tool", "content": "sunny", "tool_name": "get_weather"},
            ],
            "tools": [TOOL],
            "stream": False,
            "think": False,
            "format": SCHEMA,
        },
    ],
    "GenerateBody": [
        {"prompt": "hi", "system": "s", "options": OPTIONS, "logprobs": True, "top_logprobs": 2},
        {"prompt": "hi", "raw": True, "stream": False, "options": {"num_predict": 5}},
        {"prompt": "", "keep_alive": -1},
    ],
    "EmbedBody": [{"input": ["a", "b"], "dimensions": 4, "truncate": True, "keep_alive": "1h"}],
    "EmbeddingsBody": [{"prompt": "a", "options": OPTIONS}],
    "ShowBody": [{"verbose": True}],
    "PullBody": [{"stream": False}, {"stream": True}],
    "TokenizeRequest": [
        {"prompt": "a text", "add_special_tokens": True, "return_token_strs": True},
        {"messages": [USER]},
    ],
    "ModerationRequest": [
        {"input": "hate"},
        {"input": ["hate", "a text"]},
        {
            "input": [
                {"type": "text", "text": "hate"},
                {"type": "image_url", "image_url": {"url": IMAGE}},
            ]
        },
    ],
    "FileCreateRequest": [
        {"file": SOUND, "purpose": "batch"},
        {
            "file": SOUND,
            "purpose": "user_data",
            "expires_after": {"anchor": "created_at", "seconds": 3600},
        },
    ],
    "RateLimitUpdateRequest": [
        {"max_requests_per_1_minute": 600, "max_tokens_per_1_minute": 9007199254740991},
        {"max_images_per_1_minute": 5, "max_requests_per_1_day": 1},
    ],
    "BatchCreateRequest": [
        {
            "input_file_id": "file-1",
            "endpoint": "/v1/embeddings",
            "completion_window": "24h",
            "metadata": {"a": "b"},
            "output_expires_after": {"anchor": "created_at", "seconds": 3600},
        }
    ],
    "UploadCreateRequest": [
        {"bytes": 5, "filename": "a.txt", "mime_type": "text/plain", "purpose": "batch"},
    ],
    "PartCreateRequest": [{"data": SOUND}],
    "UploadCompleteRequest": [{"part_ids": ["part_1"], "md5": "0" * 32}],
    "FineTuneCreateRequest": [
        {"training_file": "file-1"},
        {
            "model": "echo",
            "training_file": "file-1",
            "validation_file": "file-2",
            "n_epochs": 2,
            "batch_size": 4,
            "learning_rate_multiplier": 0.5,
            "suffix": "s",
            "prompt_loss_weight": 0,
        },
    ],
    "JobCreateRequest": [{"model": "echo", "training_file": "file-1", "suffix": "mine", "seed": 1}],
    "RerankBody": [
        {"query": "fox", "documents": ["fox", "owl"], "top_n": 1, "return_documents": True},
        {
            "query": "fox",
            "documents": [{"text": "fox", "year": 1}, {"title": "owl"}],
            "rank_fields": ["text", "title"],
            "return_documents": True,
            "max_tokens_per_doc": 3,
            "raw_scores": True,
        },
    ],
    "ScoreBody": [
        {"text_1": "fox", "text_2": ["fox", "owl"], "truncation": False},
        {"queries": ["fox", "owl"], "documents": ["fox", "owl"], "truncate_prompt_tokens": 5},
    ],
    "DetokenizeRequest": [{"tokens": [1, 2, 3]}],
    "EncodeRequest": [{"text": "a text"}],
    "DecodeRequest": [{"tokens": [1, 2, 3]}],
    "LoadRequest": [{"model_name": "echo", "args": {}, "settings": {}}],
    "PermissionCreateRequest": [{"project_ids": ["proj_1"]}],
    "GraderRunRequest": [
        {"grader": _GRADERS[0], "model_sample": "a", "item": {"a": "b"}},
        {"grader": _GRADERS[1], "model_sample": "a", "item": {"a": "b"}},
    ],
    "GraderValidateRequest": [{"grader": grader} for grader in _GRADERS],
    **RESPONSE_BODIES,
    **STORE_BODIES,
    **ASSISTANT_BODIES,
    **ORGANIZATION_BODIES,
}
