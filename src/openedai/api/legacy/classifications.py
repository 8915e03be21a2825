"""`POST /v1/classifications`: a label for a text, as a search and a completion held to labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.legacy.prompted import NotEmpty, Pair, PromptedBody, complete, with_what_fits
from openedai.api.legacy.ranking import MAX_TEXTS, best_first, search_model
from openedai.api.openai.completions.render import Completion
from openedai.api.openai.completions.types import CompletionRequest
from openedai.errors import InvalidRequest
from openedai.http.respond import json_response
from openedai.prompts.example_prompts import label_grammar, label_name, label_prompt
from openedai.serving.services import services

MAX_LABEL = 256  # characters
UNKNOWN = "Unknown"

Label = Annotated[str, Field(min_length=1, max_length=MAX_LABEL)]


class ClassificationRequest(PromptedBody):
    """`max_examples` is about files. Labels are written with one capital, whatever they had."""

    query: NotEmpty
    examples: list[Pair] = Field(min_length=2, max_length=MAX_TEXTS)
    labels: list[Label] | None = Field(None, min_length=2, max_length=MAX_TEXTS)
    max_examples: int | None = Field(None, ge=1)

    @property
    def texts(self) -> list[str]:
        return [text for text, _ in self.examples]

    @property
    def example_labels(self) -> list[str]:
        return [label_name(label) for _, label in self.examples]

    @property
    def names(self) -> list[str]:
        """The labels that there are, each once: those of the examples unless they are given."""
        given = self.example_labels if self.labels is None else map(label_name, self.labels)
        return list(dict.fromkeys(given))

    def check(self) -> None:
        """Raise InvalidRequest for a label that cannot be, or that is none of the given ones."""
        for index, label in enumerate(self.labels or ()):
            _check_label(label_name(label), f"labels[{index}]")
        known = set(self.names)
        for index, label in enumerate(self.example_labels):
            where = f"examples[{index}][1]"
            _check_label(label, where)
            if label not in known:
                raise InvalidRequest(
                    f"Invalid '{where}': {label!r} is none of the 'labels'.",
                    code="invalid_value",
                    param=where,
                )

    def prompt(self, chosen: Sequence[int]) -> str:
        """`chosen` are the places of examples, best first; the best is read last."""
        labels = self.example_labels
        pairs = [(self.examples[index][0], labels[index]) for index in reversed(chosen)]
        return label_prompt(self.query, self.names, pairs)

    def asked(self, chosen: Sequence[int]) -> CompletionRequest:
        """A token has at least one byte: no label is longer, with the space before it and the end
        of the text.
        """
        limit = 2 + max(len(name.encode()) for name in self.names)
        return self.completion(self.prompt(chosen), max_tokens=limit)


class SelectedExample(msgspec.Struct):
    document: int
    label: str
    text: str


class Classification(msgspec.Struct):
    """`selected_examples` are those that the model was shown, best first."""

    model: str
    search_model: str
    completion: Completion | str
    label: str
    selected_examples: list[SelectedExample]
    prompt: str | UnsetType = UNSET
    object: str = "classification"


async def create(request: Request) -> Response:
    here = services(request)
    body, headers = await here.read(request, ClassificationRequest)
    body.check()
    model = here.catalog.resolve(body.model)
    searcher = search_model(here, body.search_model, "search_model")
    texts, labels, names = body.texts, body.example_labels, body.names
    ranked = await best_first(here, request, searcher, body.query, texts)
    held = label_grammar(names)

    async def ask(chosen: Sequence[int]) -> Completion:
        said_of = {"prompt": "query", "grammar": "labels"}
        return await complete(here, request, model, body.asked(chosen), held, **said_of)

    chosen, completion = await with_what_fits(ranked, ask)
    said = completion.choices[0].text.strip()
    answer = Classification(
        model=model.id,
        search_model=searcher.id,
        completion=body.shown(completion),
        label=said if said in names else UNKNOWN,
        selected_examples=[SelectedExample(i, labels[i], texts[i]) for i in chosen],
        prompt=body.prompt(chosen) if body.return_prompt else UNSET,
    )
    return json_response(answer, headers=headers | here.limits(model.spec))


def _check_label(label: str, where: str) -> None:
    if not label or "\0" in label or len(label) > MAX_LABEL:
        raise InvalidRequest(
            f"Invalid '{where}': a label has 1 to {MAX_LABEL} characters, not only blanks and no "
            "NUL.",
            code="invalid_value",
            param=where,
        )
