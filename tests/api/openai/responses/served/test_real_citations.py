"""Citations in what a real model answers from files, whatever it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI

from openedai.serving.tools.support import words_of
from tests.api.openai.responses.answers import respond
from tests.search.quality.questions import load_documents

pytestmark = pytest.mark.real

NAMES = ("en-backup", "en-release", "en-museum")
END = re.compile(r"""[.!?…]["'”’»)\]*_]*$""")


@pytest.fixture(scope="module")
def store(real_server: Any) -> Iterator[str]:
    with real_server.client(timeout=300) as client:
        store = client.vector_stores.create().id
        for one in load_documents():
            if one.document in NAMES:
                client.vector_stores.files.upload_and_poll(
                    vector_store_id=store,
                    file=(f"{one.document}.txt", one.text.encode()),
                    poll_interval_ms=20,
                )
        yield store
        client.vector_stores.delete(store)


@pytest.mark.parametrize(
    "question", ["What changed about cache_ttl?", "restore-db --point-in-time"]
)
def test_citations_are_of_sentences_that_files_support(
    real_client: OpenAI, store: str, question: str
) -> None:
    response: Any = respond(
        real_client,
        True,
        model="smollm2-135m-instruct",
        input=question,
        tools=[{"type": "file_search", "vector_store_ids": [store], "max_num_results": 2}],
        tool_choice="required",
        max_tool_calls=1,
        include=["file_search_call.results"],
        temperature=0,
        max_output_tokens=160,
    )
    search = response.output[0]
    assert search.status == "incomplete" or question in search.queries
    texts = {one.file_id: one.text for one in search.results or ()}
    for item in response.output[1:]:
        if item.type != "message":
            continue
        text = item.content[0].text
        assert "【0†" not in text
        for cited in item.content[0].annotations:
            before, after = text[: cited.index], text[cited.index :].strip(" ")
            assert END.search(before) or not after or after[0] == "\n"
            sentence = re.split(r"[.!?\n]", before.rstrip(".!?\n\"'"))[-1]
            assert set(words_of(sentence)) & set(words_of(texts[cited.file_id])), sentence
