"""How many of sixty questions are answered by one of the first five chunks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from openai import OpenAI

from tests.search.quality.questions import (
    LANGUAGES,
    Passage,
    Question,
    load_documents,
    load_questions,
    recall,
    sentences,
)
from tests.search.quality.rankings import WAYS, Rankings


def test_each_question_is_answered_by_one_sentence() -> None:
    documents, questions = load_documents(), load_questions()
    assert (len(documents), len(questions)) == (40, 60)
    assert len({document.document for document in documents}) == 40
    assert len({question.text for question in questions}) == 60
    parts = sentences(documents)
    for question in questions:
        assert [question.is_answered_by(document) for document in documents].count(True) == 1
        assert Passage(question.document, question.sentence) in parts
    asked = Counter(question.language for question in questions)
    assert asked == {"en": 24, "de": 18, "ja": 18}


def test_recall_counts_questions_with_the_answer_among_the_first() -> None:
    questions = [Question("q", "a", "yes"), Question("r", "b", "no")]
    passages = [Passage("a", "no"), Passage("b", "yes"), Passage("a", "well, yes")]
    assert recall(lambda _: passages, questions, at=3) == 0.5
    assert recall(lambda _: passages, questions, at=2) == 0.0


def test_by_words_without_a_model(tmp_path: Path) -> None:
    """With the same vector everywhere: what is found is found by BM25."""
    questions = load_questions()
    documents, least = load_documents(), {"en": 0.95, "de": 0.6, "ja": 0.8}
    alike = Rankings(tmp_path, documents, lambda texts: np.ones((len(texts), 1), "f4"))
    with closing(alike) as rankings:
        rankings.prepare(questions)
        for language in LANGUAGES:
            asked = [question for question in questions if question.language == language]
            found = recall(partial(rankings.rank, weights=WAYS["bm25"]), asked)
            assert found >= least[language], language


@pytest.mark.real
def test_both_together_are_the_best_with_the_default_model(
    real_client: OpenAI, tmp_path: Path
) -> None:
    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        answer = real_client.embeddings.create(model="all-mpnet-base-v2", input=list(texts))
        return np.array([item.embedding for item in answer.data], np.float32)

    questions = load_questions()
    sets = {
        language: [one for one in questions if one.language == language] for language in LANGUAGES
    }
    with closing(Rankings(tmp_path, load_documents(), embed)) as rankings:
        rankings.prepare(questions)
        for language, asked in {"all": questions, **sets}.items():
            found = {
                way: recall(partial(rankings.rank, weights=weights), asked)
                for way, weights in WAYS.items()
            }
            assert found["hybrid"] == max(found.values()), (language, found)
            assert found["hybrid"] >= {"all": 0.9, "en": 1.0}.get(language, 0.8), (language, found)
