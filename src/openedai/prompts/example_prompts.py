"""Prompts that show a model by examples what is wanted: answers to questions, and labels.

They are for continuing, by any model that generates text. Each text takes one line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from openedai.contract.generate import Grammar
from openedai.grammars.gbnf import literal, one_of

# Ends an answer, as each takes one line.
ANSWER_END = "\n"


def answer_prompt(
    question: str,
    documents: Sequence[str],
    examples: Iterable[tuple[str, str]],
    examples_context: str,
) -> str:
    """The answer to the question follows, behind a space. `documents` are in the order in which
    they are read; without any the question is asked about the context of the examples.
    """
    pairs = "".join(f"Q: {_line(asked)}\nA: {_line(said)}\n\n" for asked, said in examples)
    context = f"Context: {_line(' '.join(documents))}\n\n" if documents else ""
    return (
        "Answer each question from the context before it.\n\n"
        f"Context: {_line(examples_context)}\n\n{pairs}{context}Q: {_line(question)}\nA:"
    )


def label_prompt(query: str, labels: Iterable[str], examples: Iterable[tuple[str, str]]) -> str:
    """The label of the query follows, behind a space. `examples` are texts with their labels."""
    shown = "".join(f"Text: {_line(text)}\nCategory: {label}\n\n" for text, label in examples)
    return (
        f"Sort each text into one of these categories: {', '.join(labels)}.\n\n"
        f"{shown}Text: {_line(query)}\nCategory:"
    )


def label_grammar(labels: Iterable[str]) -> Grammar:
    """What follows a prompt of labels: a space, and one of the labels. They hold no NUL."""
    return Grammar(gbnf=f"root ::= {literal(' ')} {one_of(labels)}\n")


def label_name(text: str) -> str:
    """How a label is written, whatever its capitals and blanks were."""
    return _line(text).lower().capitalize()


def _line(text: str) -> str:
    return " ".join(text.split())
