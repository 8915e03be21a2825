"""llama.cpp parses every grammar, and what a real model writes with it validates."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings

from openedai.grammars.json_schema.schema import UnsupportedSchema, json_schema
from openedai.grammars.regex import regex
from openedai.grammars.string_formats import FORMATS
from tests.grammars.gbnf_text import gbnf_text
from tests.grammars.schemas import DEFINITIONS, SCHEMAS, validator

pytestmark = pytest.mark.real


class Answer(NamedTuple):
    text: str
    finished: bool


class Model:
    def __init__(self, server: Any) -> None:
        self._server = server

    def write(self, grammar: str, tokens: int = 100) -> Answer:
        """An answer, sampled from the distribution of the model."""
        answer = self._server.handle_completions(
            {
                "prompt": "Here is an example of such a value:\n",
                "grammar": grammar,
                "n_predict": tokens,
                "temperature": 1.0,
                "top_k": 0,
                "top_p": 1.0,
                "min_p": 0.0,
                "seed": 7,
            }
        )
        assert "error" not in answer, answer
        (choice,) = answer["choices"]
        return Answer(choice["text"], choice["finish_reason"] == "stop")


@pytest.fixture(scope="module")
def model(smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    from xllamacpp import CommonParams, Server

    params = CommonParams()
    params.model.path = str(smollm2_path)
    params.hostnames = [str(tmp_path_factory.mktemp("llama") / "llama.sock")]
    params.n_ctx = 1024
    params.n_parallel = 1
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.verbosity = -1
    params.ui = False
    return Model(Server(params))


def grammar(schema: Any) -> str:
    return gbnf_text(lambda rules: json_schema(schema, rules))


SHORT = [
    {"enum": ["red", "reddish", 'gr"een\n', "blüe", None, 1.5, {"a": [1]}]},
    {"type": "integer", "minimum": -17, "maximum": 1234},
    {"type": "integer", "multipleOf": 1000},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    {"type": "string", "pattern": r"^[A-Z]{2}-\d{1,4}$"},
    {"type": "string", "minLength": 3, "maxLength": 5},
    *({"type": "string", "format": name} for name in FORMATS if name not in ("uri", "email")),
    {
        "type": "object",
        "properties": {"ok": {"type": "boolean"}, "n": {"type": ["null", "integer"]}},
        "required": ["ok", "n"],
    },
    {"prefixItems": [{"const": "a"}, {"type": "boolean"}], "items": False, "minItems": 2},
]
LONG = [
    {"$ref": "#/$defs/node", "$defs": DEFINITIONS},
    {"type": "string", "maxLength": 100_000},
    {"type": "array", "items": {"type": "string", "maxLength": 700}, "maxItems": 3000},
    {"enum": [f"value {number}" for number in range(3000)]},
    {"type": "string", "format": "email"},
    {"type": "string", "format": "uri"},
    {"properties": {f"p{n}": {"type": "integer"} for n in range(60)}, "minProperties": 1},
    {"properties": {"a": {}, "ab": {}}, "additionalProperties": {"type": "null"}},
    {"type": "object"},
]


@pytest.mark.parametrize("schema", SHORT, ids=json.dumps)
def test_short_answers_finish_and_are_valid(model: Model, schema: Any) -> None:
    answer = model.write(grammar(schema))
    assert answer.finished
    validator(schema).validate(json.loads(answer.text))


@pytest.mark.parametrize("schema", LONG, ids=lambda schema: json.dumps(schema)[:60])
def test_finished_answers_are_valid(model: Model, schema: Any) -> None:
    answer = model.write(grammar(schema), tokens=60)
    assert answer.text
    if answer.finished:
        validator(schema).validate(json.loads(answer.text))


@settings(
    max_examples=24,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
@given(SCHEMAS)
def test_random_schemas(model: Model, schema: Any) -> None:
    try:
        written = grammar(schema)
    except UnsupportedSchema:
        assume(False)
    answer = model.write(written, tokens=30)
    if answer.finished:
        validator(schema).validate(json.loads(answer.text))


@pytest.mark.parametrize("pattern", [r"(yes|no), \w{1,8}\.", r"(a*)*b{260}", r"[^\s\S0]|\d{3}"])
def test_patterns(model: Model, pattern: str) -> None:
    answer = model.write(gbnf_text(lambda rules: regex(pattern, rules)), tokens=400)
    assert answer.finished
    assert re.fullmatch(pattern, answer.text)
