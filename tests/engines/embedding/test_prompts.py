"""Which prompt goes before an input of which type."""

from __future__ import annotations

from dataclasses import replace

import pytest

from openedai.engines.embedding.prompts import Prompts, read_prompts
from openedai.errors import InvalidRequest, Unsupported

E5 = {"query": "query: ", "passage": "passage: ", "web": "web: "}


@pytest.mark.parametrize(
    ("input_type", "prompt"),
    [
        (None, ""),
        ("query", "query: "),
        ("search_query", "query: "),
        ("retrieval.query", "query: "),
        ("document", "passage: "),
        ("search_document", "passage: "),
        ("passage", "passage: "),
        ("web", "web: "),
    ],
)
def test_names_that_mean_the_same(input_type: str | None, prompt: str) -> None:
    assert read_prompts(E5, None).of(input_type) == prompt


def test_the_default_prompt_is_before_queries_and_documents_without_their_own() -> None:
    prompts = read_prompts({"web": "web: ", "query": ""}, "web")
    assert [prompts.of(one) for one in (None, "query", "document")] == ["web: ", "", "web: "]
    assert [Prompts().of(one) for one in (None, "query", "document")] == [""] * 3


def test_an_unknown_type_names_those_of_the_model() -> None:
    with pytest.raises(InvalidRequest, match="'query', 'passage', 'web', 'document'") as caught:
        read_prompts(E5, None).of("colour")
    assert caught.value.param == "input_type"


def test_prompts_that_are_not_pooled_are_refused() -> None:
    prompts = replace(read_prompts({**E5, "document": ""}, None), pooled=False)
    assert prompts.of(None) == prompts.of("document") == ""
    with pytest.raises(Unsupported) as caught:
        prompts.of("query")
    assert caught.value.param == "input_type"


@pytest.mark.parametrize("named", [None, [], "query", {"query": 1}])
def test_broken_prompts_are_none(named: object) -> None:
    assert read_prompts(named, "query").of("query") == ""
