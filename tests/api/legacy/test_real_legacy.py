"""The older endpoints on the built-in models, by their shape and by what the labels allow."""

from __future__ import annotations

import pytest

from tests.api.legacy.client import post
from tests.support import Running

pytestmark = pytest.mark.real
SMOLLM, MINILM = "smollm2-135m-instruct", "all-MiniLM-L6-v2"


def test_edits(real_server: Running) -> None:
    body = {"instruction": "Answer with the one word: yes", "temperature": 0, "n": 2}
    edit = post(real_server, "/v1/edits", model="text-davinci-edit-001", **body)
    assert [choice["index"] for choice in edit["choices"]] == [0, 1]
    # The texts are not compared: they may run in batches of different sizes, and llama.cpp's
    # rounding depends on the size of the batch.
    for choice in edit["choices"]:
        assert choice["text"] == choice["text"].strip()
    assert edit["usage"]["prompt_tokens"] > 10
    assert edit["usage"]["completion_tokens"] > 0


@pytest.mark.parametrize("temperature", [0, 2])
def test_a_label_is_one_of_the_labels(real_server: Running, temperature: float) -> None:
    labels = ["Sunny", "sunny spells", 'so "so"', "Ärger 🎈"]
    answer = post(
        real_server,
        "/v1/classifications",
        model=SMOLLM,
        search_model=MINILM,
        query="What will the weather be?",
        examples=[["Clear skies", "sunny"], ["Some clouds", "sunny spells"]],
        labels=labels,
        temperature=temperature,
        logprobs=1,
    )
    assert answer["label"] in {"Sunny", "Sunny spells", 'So "so"', "Ärger 🎈"}
    assert answer["completion"]["choices"][0]["text"] == f" {answer['label']}"
    assert answer["completion"]["choices"][0]["finish_reason"] == "stop"
    assert (answer["model"], answer["search_model"]) == (SMOLLM, MINILM)
    assert len(answer["selected_examples"]) == 2


def test_the_same_text_is_the_most_similar(real_server: Running) -> None:
    documents = ["The cat sat on the mat.", "Prices rose by two percent.", "Rain is expected."]
    path = f"/v1/engines/{MINILM}/search"
    data = post(real_server, path, query="Prices rose by two percent.", documents=documents)["data"]
    assert data[1]["score"] == pytest.approx(100, abs=0.1)
    assert max(data[0]["score"], data[2]["score"]) < 90


def test_an_answer_is_one_line(real_server: Running) -> None:
    answer = post(
        real_server,
        "/v1/answers",
        model=SMOLLM,
        search_model=MINILM,
        question="Which puppy is happy?",
        documents=["Puppy A is happy.", "Puppy B is sad."],
        examples=[["How old was the oldest person?", "122 years."]],
        examples_context="The oldest person ever was 122 years old.",
        n=2,
    )
    assert len(answer["answers"]) == 2
    assert all("\n" not in text for text in answer["answers"])
    assert {one["document"] for one in answer["selected_documents"]} == {0, 1}


def test_more_documents_than_fit(real_server: Running) -> None:
    """Each has far more than a hundred tokens, and the context has 4096."""
    documents = [f"Page {number}. " + "The sun rose again. " * 60 for number in range(20)]
    answer = post(
        real_server,
        "/v1/answers",
        model=SMOLLM,
        search_model=MINILM,
        question="What is on page 5?",
        documents=documents,
        examples=[["Who?", "Me."]],
        examples_context="It is me.",
        max_tokens=2,
    )
    assert 0 < len(answer["selected_documents"]) < 20
