"""docs/compatibility.md agrees with the official client's types and with the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from openai.types import (
    ImageCreateVariationParams,
    ImageInputReferenceParam,
    completion_create_params,
    embedding_create_params,
    image_edit_params,
    image_generate_params,
)
from openai.types.audio import (
    speech_create_params,
    transcription_create_params,
    translation_create_params,
)
from openai.types.chat import ChatCompletionContentPartParam, ChatCompletionMessageParam
from openai.types.chat import completion_create_params as chat_params
from openai.types.chat.chat_completion_assistant_message_param import (
    ContentArrayOfContentPart as AssistantPart,
)
from pydantic import ValidationError

from openedai.api.legacy.answers import AnswerRequest
from openedai.api.legacy.classifications import ClassificationRequest
from openedai.api.legacy.edits import EditRequest
from openedai.api.legacy.generate import EngineGenerateRequest
from openedai.api.legacy.search import SearchRequest
from openedai.api.openai.chat.messages import ChatMessage, Media
from openedai.api.openai.chat.types import ChatCompletionRequest
from openedai.api.openai.completions.types import CompletionRequest
from openedai.api.openai.embeddings.types import EmbeddingRequest
from openedai.api.openai.images.types import (
    ImageBody,
    ImageEditRequest,
    ImageGenerationRequest,
    ImageReference,
    ImageVariationRequest,
)
from openedai.api.openai.speech.types import SpeechRequest
from openedai.api.openai.transcriptions.types import TranscriptionRequest, TranslationRequest
from openedai.config import ModelSpec
from openedai.http.body import AllowedOnly, Body
from openedai.http.upload import Upload
from openedai.http.validation import as_invalid_request
from openedai.serving.images.inputs import ImageSources
from tests.docs.pages import ROOT, code_words, section, tables
from tests.support import Running, fetch

PAGE = "docs/compatibility.md"
STREAM = {"stream"}
MESSAGE = {
    name
    for block_type in get_args(ChatCompletionMessageParam)
    for name in block_type.__annotations__
}

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
COMPLETION: dict[str, Any] = {"model": "m", "prompt": "hi"}
EMBEDDING: dict[str, Any] = {"model": "m", "input": "hi"}
UPLOAD = Upload("cat.png", "image/png", ROOT / "cat.png", 1)
IMAGE: dict[str, Any] = {"prompt": "hi"}
IMAGE_EDIT: dict[str, Any] = {"prompt": "hi", "image": [UPLOAD]}
IMAGE_VARIATION: dict[str, Any] = {"image": UPLOAD}
SPEECH_FILE: dict[str, Any] = {"model": "m", "file": Upload("a.wav", "", Path("a.wav"), 1)}
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

TOOL: dict[str, Any] = {"type": "function", "function": {"name": "f"}}
CALL: dict[str, Any] = {"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}

# Values that ask for something, for parameters of which any other value would do less.
REFUSED_VALUES: dict[str, Any] = {
    "complexity": "low",
    "file": "file-1",
    "file_id": "file-1",
    "frame_count": 4,
    "frame_duration_ms": 100,
    "markup": UPLOAD,
    "known_speaker_names": ["ann"],
    "known_speaker_references": ["data:audio/wav;base64,AAAA"],
    "moderation": {"model": "m"},
    "refusal": "no",
    "store": True,
    "svg": {"model": "m"},
    "verbosity": "low",
    "web_search_options": {},
}

# Values other than the default, for parameters that must reach the engine.
VALUES: dict[str, Any] = {
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
    "messages": [{"role": "user", "content": "ho"}],
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
VALUES_BY_TYPE: dict[tuple[type[Body], str], Any] = {
    (ChatCompletionRequest, "logprobs"): True,
    (CompletionRequest, "logprobs"): 3,
    (EngineGenerateRequest, "logprobs"): 3,
    (AnswerRequest, "logprobs"): 3,
    (ClassificationRequest, "logprobs"): 3,
    (ImageEditRequest, "image"): [UPLOAD, UPLOAD],
    (ImageVariationRequest, "image"): Upload("dog.png", "", ROOT / "dog.png", 1),
    (TranscriptionRequest, "file"): Upload("b.wav", "", Path("b.wav"), 1),
    (TranslationRequest, "file"): Upload("b.wav", "", Path("b.wav"), 1),
    (TranscriptionRequest, "response_format"): "verbose_json",
    (TranslationRequest, "response_format"): "verbose_json",
    (SpeechRequest, "response_format"): "wav",
    (ChatMessage, "function_call"): {"name": "f", "arguments": ""},
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

# Those that routes read themselves, tested in tests/api.
READ_BY_ROUTES = {"model", "stream", "stream_options", "stream_format", "encoding_format"}
READ_BY_ROUTES |= {"search_model", "return_prompt", "expand"}
READ_BY_ROUTES |= {"modalities", "audio"}
# The same, in some bodies only.
READ_BY_ROUTES_OF: dict[str, type[Body]] = {"response_format": ImageBody}

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
    match value:
        case ChatMessage():
            return value.to_engine(0, Media())
        case ImageEditRequest():
            inputs = value.inputs(), value.mask_input()
            return inputs, value.to_engine_request(ImageSources())
        case ImageVariationRequest():
            return value.inputs(), value.to_engine_request(ImageSources())
        case ImageReference():
            return value.image_url
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
        case CompletionRequest():
            return value.to_engine_requests()
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


@pytest.mark.parametrize(("table", "name"), cases("refused"))
def test_refused_parameters_are_refused(table: Table, name: str) -> None:
    _, model, body = TABLES[table]
    with pytest.raises(ValidationError) as caught:
        model.model_validate({**body, name: REFUSED_VALUES[name]})
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
    expected = {"True": "true", "False": "false"}
    for value in only.values:
        text = expected.get(str(value), str(value).replace("'", '"'))
        assert text in note.replace("`", "")


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
    needed_fields = {} if model is ChatMessage else NEEDED_FIELDS.get(name, {})
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
    own = set(model.model_fields) - official
    assert own == listed - {"reasoning_content"}
    for name in own:
        assert_changes_the_request(model, body, name)
    assert_changes_the_request(
        ChatMessage, {"role": "assistant", "content": "hi"}, "reasoning_content"
    )


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
    assert engine_request(model, {**body, name: VALUES[name]}) == engine_request(model, body)


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
    assert listed - sent == {"retry-after", "retry-after-ms", "allow", "x-openedai-warning"}
