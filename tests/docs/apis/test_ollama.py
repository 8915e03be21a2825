"""docs/ollama.md agrees with the official client's types and with the code."""

from __future__ import annotations

import json
import re
from typing import Any

import ollama
import pytest
from ollama import _types as official
from pydantic import BaseModel, ValidationError

from openedai.api.ollama.messages import OllamaMessage, conversation
from openedai.api.ollama.types import (
    ChatBody,
    EmbedBody,
    EmbeddingsBody,
    GenerateBody,
    Options,
    PullBody,
    ShowBody,
)
from openedai.errors import APIError
from openedai.http.body import AllowedOnly, Body
from openedai.http.validation import as_invalid_request
from tests.docs.pages import ROOT, tables

PAGE = "docs/ollama.md"
USER: dict[str, Any] = {"role": "user", "content": "hi"}
CALL: dict[str, Any] = {"function": {"name": "f", "arguments": {}}}

# Section by section: the official type, our model, and a body to which a parameter is added.
SECTIONS: dict[str, tuple[type[BaseModel], type[Body], dict[str, Any]]] = {
    "Chat": (official.ChatRequest, ChatBody, {"model": "m", "messages": [USER]}),
    "Messages": (ollama.Message, OllamaMessage, USER),
    "Generate": (official.GenerateRequest, GenerateBody, {"model": "m", "prompt": "hi"}),
    "Embed": (official.EmbedRequest, EmbedBody, {"model": "m", "input": "hi"}),
    "Embeddings": (official.EmbeddingsRequest, EmbeddingsBody, {"model": "m", "prompt": "hi"}),
    "Options": (ollama.Options, Options, {}),
    "Show": (official.ShowRequest, ShowBody, {"model": "m"}),
    "Pull": (official.PullRequest, PullBody, {"model": "m"}),
}

# Values that ask for something, for parameters of which any other value would do less.
REFUSED_VALUES: dict[str, Any] = {
    "context": [1],
    "embedding_only": True,
    "height": 5,
    "insecure": True,
    "logits_all": True,
    "penalize_newline": False,
    "shift": True,
    "steps": 5,
    "template": "{{ .Prompt }}",
    "tfs_z": 0.5,
    "truncate": True,
    "vocab_only": True,
    "width": 5,
}

# Values other than the default, for parameters that must reach the engine or must not.
VALUES: dict[str, Any] = {
    "content": "ho",
    "dimensions": 2,
    "dry_allowed_length": 3,
    "dry_base": 1.5,
    "dry_multiplier": 0.8,
    "dry_penalty_last_n": 64,
    "dry_sequence_breakers": ["x"],
    "f16_kv": False,
    "format": "json",
    "frequency_penalty": 1.5,
    "input": "ho",
    "logprobs": True,
    "low_vram": True,
    "main_gpu": 1,
    "messages": [{"role": "user", "content": "ho"}],
    "min_p": 0.1,
    "mirostat": 2,
    "mirostat_eta": 0.2,
    "mirostat_tau": 4.0,
    "name": "f",
    "num_batch": 5,
    "num_ctx": 5,
    "num_gpu": 5,
    "num_keep": 5,
    "num_predict": 5,
    "num_thread": 5,
    "numa": True,
    "options": {"temperature": 0.5},
    "presence_penalty": 1.5,
    "prompt": "ho",
    "raw": True,
    "repeat_last_n": 32,
    "repeat_penalty": 1.1,
    "role": "assistant",
    "seed": 5,
    "stop": ["x"],
    "suffix": "x",
    "system": "x",
    "temperature": 0.5,
    "think": "low",
    "thinking": "Hm.",
    "tool_call_id": "call_1",
    "tool_calls": [CALL],
    "tool_name": "f",
    "tools": [{"type": "function", "function": {"name": "f"}}],
    "top_k": 5,
    "top_logprobs": 2,
    "top_p": 0.5,
    "typical_p": 0.9,
    "use_mlock": True,
    "use_mmap": False,
    "xtc_probability": 0.5,
    "xtc_threshold": 0.2,
}
NEEDED_FIELDS: dict[str, dict[str, Any]] = {
    "tool_call_id": {"role": "tool"},
    "tool_calls": {"role": "assistant"},
    "top_logprobs": {"logprobs": True},
}
# Those that routes read themselves, tested in tests/api.
READ_BY_ROUTES = {"model", "name", "stream", "keep_alive", "images"}


def rows(section: str) -> list[list[str]]:
    text = (ROOT / PAGE).read_text("utf-8")
    found = re.search(rf"^### {section}\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, section
    (table,) = tables(found[1])
    return table


def cases(status: str) -> list[tuple[str, str]]:
    return [(s, row[0].strip("`")) for s in SECTIONS for row in rows(s) if row[1] == status]


def engine_request(section: str, body: dict[str, Any]) -> Any:
    """What the engine gets of a body."""
    value = SECTIONS[section][1].model_validate(body)
    match value:
        case OllamaMessage():
            return conversation([value], {})
        case Options():
            return value.sampling(), value.limit, value.stop
        case ChatBody() | GenerateBody():
            return value.to_engine_request({})
        case EmbedBody() | EmbeddingsBody():
            return value.to_engine_request()
        case _:
            return None


@pytest.mark.parametrize("section", SECTIONS)
def test_every_parameter_has_one_row(section: str) -> None:
    theirs, own, _ = SECTIONS[section]
    names = [row[0].strip("`") for row in rows(section)]
    assert len(names) == len(set(names))
    assert set(names) == set(own.model_fields) >= set(theirs.model_fields)
    assert {row[1] for row in rows(section)} <= {"honoured", "no effect", "refused"}


@pytest.mark.parametrize(("section", "name"), cases("refused"))
def test_refused_parameters_are_refused(section: str, name: str) -> None:
    _, model, body = SECTIONS[section]
    value = False if (section, name) == ("Embed", "truncate") else REFUSED_VALUES[name]
    with pytest.raises((ValidationError, APIError)) as caught:
        engine_request(section, {**body, name: value})
    error = caught.value
    if isinstance(error, ValidationError):
        error = as_invalid_request(error.errors())
    assert isinstance(error, APIError)
    assert error.code == "unsupported_parameter"
    assert error.param is not None
    assert error.param.split(".")[-1] == name
    engine_request(section, {**body, name: None})
    accepted = next(row[2] for row in rows(section) if row[0] == f"`{name}`")
    value_in_note = re.match(r"`(.*?)` is accepted", accepted)
    marks = [mark for mark in model.model_fields[name].metadata if isinstance(mark, AllowedOnly)]
    assert bool(value_in_note) == any(mark.values for mark in marks)
    if value_in_note:
        engine_request(section, {**body, name: json.loads(value_in_note[1])})


@pytest.mark.parametrize(
    ("section", "name"), [case for case in cases("honoured") if case[1] not in READ_BY_ROUTES]
)
def test_honoured_parameters_reach_the_engine(section: str, name: str) -> None:
    body = {**SECTIONS[section][2], **NEEDED_FIELDS.get(name, {})}
    assert engine_request(section, {**body, name: VALUES[name]}) != engine_request(section, body)


@pytest.mark.parametrize(("section", "name"), cases("no effect"))
def test_parameters_without_effect_have_none(section: str, name: str) -> None:
    body = SECTIONS[section][2]
    value = True if name == "verbose" else VALUES[name]
    assert engine_request(section, {**body, name: value}) == engine_request(section, body)
