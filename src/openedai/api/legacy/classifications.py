"""`POST /v1/classifications`: a label for a text, as a search and a constrained completion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

import msgspec
from msgspec import UNSET, UnsetType
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.legacy.prompted import NotEmpty, Pair, PromptedBody, complete, truncate_to_fit
from openedai.api.legacy.ranking import MAX_TEXTS, Ranking
from openedai.api.openai.completions.render import Completion
from openedai.api.openai.completions.types import CompletionRequest
from openedai.api.route import takes
from openedai.errors import invalid_value
from openedai.prompts.example_prompts import label_grammar, label_name, label_prompt
from openedai.serving.generation import Generation

MAX_LABEL = 256  # characters
UNKNOWN = "Unknown"

Label = Annotated[str, Field(min_length=1, max_length=MAX_LABEL)]


class SelectedExample(msgspec.Struct):
    document: int
    label: str
    text: str


class ClassificationRequest(PromptedBody):
    """`max_examples` is only for files. Labels are capitalised: one capital, then lower case."""

    parameter_names: ClassVar[Mapping[str, str]] = {"prompt": "query", "grammar": "labels"}

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
        """The labels, each once: the given ones, or else those of the examples."""
        labels = self.example_labels if self.labels is None else map(label_name, self.labels)
        return list(dict.fromkeys(labels))

    def check(self) -> None:
        """Raise InvalidRequest for a label that is not valid, or not in `labels`."""
        for index, label in enumerate(self.labels or ()):
            _check_label(label_name(label), f"labels[{index}]")
        known = set(self.names)
        for index, label in enumerate(self.example_labels):
            param = f"examples[{index}][1]"
            _check_label(label, param)
            if label not in known:
                raise invalid_value(param, f"{label!r} is none of the 'labels'")

    def prompt(self, chosen: Sequence[int]) -> str:
        """`chosen` are the indices of examples, best first; the best is read last."""
        labels = self.example_labels
        pairs = [(self.examples[index][0], labels[index]) for index in reversed(chosen)]
        return label_prompt(self.query, self.names, pairs)

    def request_with(self, chosen: Sequence[int]) -> CompletionRequest:
        """The completion has room for the longest label, with the space before it and the end of
        the text: a token has at least one byte.
        """
        limit = 2 + max(len(name.encode()) for name in self.names)
        return self.completion_request(self.prompt(chosen), max_tokens=limit)

    def selected(self, chosen: Sequence[int]) -> list[SelectedExample]:
        labels, texts = self.example_labels, self.texts
        return [SelectedExample(index, labels[index], texts[index]) for index in chosen]


class Classification(msgspec.Struct):
    """`selected_examples` are those in the prompt, best first."""

    model: str
    search_model: str
    completion: Completion | str
    label: str
    selected_examples: list[SelectedExample]
    prompt: str | UnsetType = UNSET
    object: str = "classification"


class Classifications:
    def __init__(self, calls: Calls, ranking: Ranking, generation: Generation) -> None:
        self._calls = calls
        self._ranking = ranking
        self._generation = generation

    @takes(ClassificationRequest)
    async def create(self, request: Request) -> Response:
        call = await self._calls.read(request, ClassificationRequest)
        body = call.body
        search_model = self._ranking.search_model(body.search_model, "search_model")
        ranked = await self._ranking.rank(call, search_model, body.query, body.texts)
        grammar = label_grammar(body.names)

        async def ask(chosen: Sequence[int]) -> Completion:
            return await complete(self._generation, call, body.request_with(chosen), grammar)

        chosen, completion = await truncate_to_fit(ranked, ask)
        label = completion.choices[0].text.strip()
        answer = Classification(
            model=call.model.id,
            search_model=search_model.id,
            completion=body.rendered(completion),
            label=label if label in body.names else UNKNOWN,
            selected_examples=body.selected(chosen),
            prompt=body.prompt(chosen) if body.return_prompt else UNSET,
        )
        return self._calls.respond(call, answer)


def _check_label(label: str, param: str) -> None:
    if not label or "\0" in label or len(label) > MAX_LABEL:
        raise invalid_value(
            param, f"a label has 1 to {MAX_LABEL} characters, not only blanks and no NUL"
        )
