"""Sixty questions in English, German and Japanese, to forty documents of which some are similar."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent
_SENTENCE_END = re.compile(r"(?<=[.?!]) |(?<=。)")

LANGUAGES = ("en", "de", "ja")


@dataclass(frozen=True)
class Passage:
    """A text that can be found: a document, or a sentence of one."""

    document: str
    text: str


@dataclass(frozen=True)
class Question:
    """`sentence` of the document with the id `document` answers it."""

    text: str
    document: str
    sentence: str

    @property
    def language(self) -> str:
        return self.document.partition("-")[0]

    def is_answered_by(self, passage: Passage) -> bool:
        return passage.document == self.document and self.sentence in passage.text


def load_documents() -> list[Passage]:
    """The documents, whose ids begin with their languages."""
    return [Passage(item["id"], item["text"].strip()) for item in _table("documents")]


def load_questions() -> list[Question]:
    return [Question(**item) for item in _table("questions")]


def sentences(documents: Iterable[Passage]) -> list[Passage]:
    """Each sentence of the documents on its own."""
    return [
        Passage(document.document, sentence)
        for document in documents
        for sentence in _SENTENCE_END.split(document.text)
        if sentence
    ]


def recall(
    rank: Callable[[Question], Sequence[Passage]], questions: Sequence[Question], at: int = 5
) -> float:
    """The share of the questions whose answer is among the first `at` passages of their ranking."""
    found = sum(
        any(question.is_answered_by(passage) for passage in rank(question)[:at])
        for question in questions
    )
    return found / len(questions)


def _table(name: str) -> list[dict[str, str]]:
    found = tomllib.loads((_FOLDER / f"{name}.toml").read_text("utf-8"))[name]
    assert isinstance(found, list)
    return found
