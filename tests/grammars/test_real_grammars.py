"""What a real model writes with a grammar validates, and llama.cpp reads every grammar too."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from ctypes import c_char_p, c_void_p
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings

from openedai.contract.generate import Sampling
from openedai.engines.llama_cpp.native.batch import TokenBatch
from openedai.engines.llama_cpp.native.grammars import Constraint, Grammars, read_tokens
from openedai.engines.llama_cpp.native.library import Library
from openedai.engines.llama_cpp.native.matcher import MatcherFailed
from openedai.engines.llama_cpp.native.model import Model
from openedai.engines.llama_cpp.native.sampler import Sampler, resolve_sampling
from openedai.engines.llama_cpp.options import LlamaOptions
from openedai.grammars.json_schema.schema import UnsupportedSchema, lark_json
from openedai.grammars.lark.rules import LarkRules
from openedai.grammars.regex import regex
from tests.grammars.gbnf_language import Grammar
from tests.grammars.gbnf_text import gbnf_text
from tests.grammars.llguidance_language import Language, lark_of
from tests.grammars.schemas import DEFINITIONS, FORMATS, SCHEMAS, validator

pytestmark = pytest.mark.real


class Answer(NamedTuple):
    text: str
    finished: bool


class Writer:
    """A model that writes answers, sampled from its own distribution."""

    def __init__(self, model: Model) -> None:
        c, vocabulary = model.library.c, model.vocabulary
        c.llama_sampler_init_grammar.argtypes = [c_void_p, c_char_p, c_char_p]
        c.llama_sampler_init_grammar.restype = c_void_p
        self._model = model
        self._values = resolve_sampling(Sampling(seed=7), LlamaOptions().sampling, vocabulary.size)
        self._grammars = Grammars(partial(read_tokens, c, vocabulary.pointer, frozenset()))
        self._batch = TokenBatch(64)

    def write(self, grammar: str, tokens: int = 100) -> Answer:
        vocabulary = self._model.vocabulary
        constraint = self._grammars.compile(grammar, param="grammar")
        sampler = Sampler(self._model, self._values, ())
        self._model.trim(0, 0)
        ids = vocabulary.tokenize("Here is an example of such a value:\n")
        position, text, finished = 0, b"", False
        while tokens and not finished:
            token = self._next(ids, position, constraint, sampler)
            finished = constraint.ended or vocabulary.ends(token)
            text += b"" if vocabulary.ends(token) else vocabulary.piece(token)
            position, ids, tokens = position + len(ids), [token], tokens - 1
        return Answer(text.decode("utf-8", "replace"), finished)

    def check(self, grammar: str) -> None:
        """The model's own tokens of some texts are allowed."""
        vocabulary = self._model.vocabulary
        for seed in range(3):
            text = Language(grammar).sample(Random(seed))
            if text is None:
                continue
            ids = vocabulary.tokenize(text, start=False)
            constraint = self._grammars.compile(grammar, param="grammar")
            if vocabulary.text(ids) == text:  # it has no tokens for some characters
                assert all(map(constraint.accept, ids)), text
                assert constraint.allows(vocabulary.eos or 0), text

    def check_gbnf(self, grammar: str) -> None:
        """The model's own tokens are allowed, and llama.cpp reads the grammar."""
        assert Grammar(grammar).sample(Random(0), 12) is not None
        self.check(lark_of(grammar))
        c, vocabulary = self._model.library.c, self._model.vocabulary
        sampler = c.llama_sampler_init_grammar(vocabulary.pointer, grammar.encode(), b"root")
        assert sampler
        c.llama_sampler_free(sampler)

    def _next(self, ids: list[int], position: int, constraint: Constraint, sampler: Sampler) -> int:
        self._batch.clear()
        self._batch.add(0, ids, position, every_output=False, last_output=True)
        self._model.decode(self._batch.value)
        row = len(ids) - 1
        constraint.mask(self._model.logits(row))
        token = sampler.sample(row)
        assert constraint.accept(token)
        return token


@pytest.fixture(scope="module")
def model(smollm2_path: Path) -> Iterator[Writer]:
    options = LlamaOptions(context=1024, slots=1)
    loaded = Model(Library(), "smollm2", smollm2_path, options, threads=1)
    yield Writer(loaded)
    loaded.close()


def grammar(schema: Any) -> str:
    return LarkRules().text(lark_json(schema))


# Formats of texts that a model need not finish within an answer of the test.
LONG_FORMATS = [name for name in FORMATS if re.search("email|uri|iri|pointer", name)]
SHORT = [
    {"enum": ["red", "reddish", 'gr"een\n', "blüe", None, 1.5, {"a": [1]}]},
    {"type": "integer", "minimum": -17, "maximum": 1234},
    {"type": "integer", "multipleOf": 1000},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    {"type": "string", "pattern": r"^[A-Z]{2}-\d{1,4}$"},
    {"type": "string", "minLength": 3, "maxLength": 5},
    *({"type": "string", "format": name} for name in FORMATS if name not in LONG_FORMATS),
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
    *({"type": "string", "format": name} for name in LONG_FORMATS),
    {"properties": {f"p{n}": {"type": "integer"} for n in range(60)}, "minProperties": 1},
    {"properties": {"a": {}, "ab": {}}, "additionalProperties": {"type": "null"}},
    {"type": "object"},
]


@pytest.mark.parametrize("schema", SHORT, ids=json.dumps)
def test_short_answers_finish_and_are_valid(model: Writer, schema: Any) -> None:
    answer = model.write(grammar(schema))
    model.check(grammar(schema))
    assert answer.finished
    validator(schema).validate(json.loads(answer.text))


@pytest.mark.parametrize("schema", LONG, ids=lambda schema: json.dumps(schema)[:60])
def test_finished_answers_are_valid(model: Writer, schema: Any) -> None:
    answer = model.write(grammar(schema), tokens=60)
    model.check(grammar(schema))
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
def test_random_schemas(model: Writer, schema: Any) -> None:
    try:
        written = grammar(schema)
        Language(written)
    except (UnsupportedSchema, MatcherFailed):
        assume(False)
    model.check(written)
    answer = model.write(written, tokens=30)
    if answer.finished:
        validator(schema).validate(json.loads(answer.text))


@pytest.mark.parametrize("pattern", [r"(yes|no), \w{1,8}\.", r"(a*)*b{260}", r"[^\s\S0]|\d{3}"])
def test_patterns(model: Writer, pattern: str) -> None:
    written = gbnf_text(lambda rules: regex(pattern, rules))
    model.check_gbnf(written)
    answer = model.write(lark_of(written), tokens=400)
    assert answer.finished
    assert re.fullmatch(pattern, answer.text)
