"""Few-shot prompts: answers to questions, and labels of texts.

Any model that generates text can continue them. Each text in them is put on one line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from openedai.contract.generate import Grammar
from openedai.grammars.gbnf import literal, one_of

# Each answer is one line.
ANSWER_END = "\n"


def answer_prompt(
    question: str,
    documents: Sequence[str],
    examples: Iterable[tuple[str, str]],
    examples_context: str,
) -> str:
    """A prompt that the answer to the question continues, after a space.

    `examples` are questions about `examples_context` with their answers. The question is about the
    `documents`, in their order, or without any also about the context of the examples.
    """
    pairs = "".join(f"Q: {_line(example)}\nA: {_line(answer)}\n\n" for example, answer in examples)
    context = f"Context: {_line(' '.join(documents))}\n\n" if documents else ""
    return (
        "Answer each question from the context before it.\n\n"
        f"Context: {_line(examples_context)}\n\n{pairs}{context}Q: {_line(question)}\nA:"
    )


def label_prompt(query: str, labels: Iterable[str], examples: Iterable[tuple[str, str]]) -> str:
    """A prompt that the label of the query continues, after a space.

    `examples` are texts with their labels.
    """
    pairs = "".join(f"Text: {_line(text)}\nCategory: {label}\n\n" for text, label in examples)
    return (
        f"Sort each text into one of these categories: {', '.join(labels)}.\n\n"
        f"{pairs}Text: {_line(query)}\nCategory:"
    )


def label_grammar(labels: Iterable[str]) -> Grammar:
    """The grammar of what continues `label_prompt`: a space, and one of the labels, without NUL."""
    return Grammar(gbnf=f"root ::= {literal(' ')} {one_of(labels)}\n")


def label_name(text: str) -> str:
    """The label with its white space and capital letters normalised."""
    return _line(text).lower().capitalize()


def _line(text: str) -> str:
    return " ".join(text.split())
