"""`POST /v1/answers`: a question about documents, as a search and a completion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

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
from openedai.api.parameters.generation.sampling import Stop
from openedai.api.parameters.numbers import MAX_INT
from openedai.api.route import takes
from openedai.catalog.models import Model
from openedai.prompts.example_prompts import ANSWER_END, answer_prompt
from openedai.serving.generation import Generation


class AnswerRequest(PromptedBody):
    """Without `documents` the question is about the context of the examples. `max_rerank` applies
    to files only. An answer ends at the end of its line, unless `stop` says otherwise.
    """

    parameter_names: ClassVar[Mapping[str, str]] = {"prompt": "question"}

    question: NotEmpty
    examples: list[Pair] = Field(min_length=1, max_length=MAX_TEXTS)
    examples_context: str
    documents: list[NotEmpty] = Field(max_length=MAX_TEXTS)
    max_rerank: int | None = Field(None, ge=1)
    max_tokens: int | None = Field(None, ge=1, le=MAX_INT)
    stop: Stop | None = None
    n: int | None = Field(None, ge=1, le=10)

    def prompt(self, chosen: Sequence[int]) -> str:
        """`chosen` are the indices of documents, best first; the best is read last."""
        documents = [self.documents[index] for index in reversed(chosen)]
        pairs = [(question, answer) for question, answer in self.examples]
        return answer_prompt(self.question, documents, pairs, self.examples_context)

    def request_with(self, chosen: Sequence[int]) -> CompletionRequest:
        return self.completion_request(
            self.prompt(chosen),
            max_tokens=self.max_tokens,
            n=self.n,
            stop=self.stop or ANSWER_END,
        )


class SelectedDocument(msgspec.Struct):
    document: int
    text: str


class Answer(msgspec.Struct):
    """`selected_documents` are those in the prompt, best first. `search_model` is null if nothing
    was searched.
    """

    model: str
    search_model: str | None
    completion: Completion | str
    answers: list[str]
    selected_documents: list[SelectedDocument]
    prompt: str | UnsetType = UNSET
    object: str = "answer"


class Answers:
    def __init__(self, calls: Calls, ranking: Ranking, generation: Generation) -> None:
        self._calls = calls
        self._ranking = ranking
        self._generation = generation

    @takes(AnswerRequest)
    async def create(self, request: Request) -> Response:
        call = await self._calls.read(request, AnswerRequest)
        body = call.body
        search_model = self._search_model(body)
        ranked: list[int] = []
        if search_model is not None and body.documents:
            ranked = await self._ranking.rank(call, search_model, body.question, body.documents)

        async def ask(chosen: Sequence[int]) -> Completion:
            return await complete(self._generation, call, body.request_with(chosen))

        chosen, completion = await truncate_to_fit(ranked, ask)
        answer = Answer(
            model=call.model.id,
            search_model=search_model.id if search_model else None,
            completion=body.rendered(completion),
            answers=[choice.text.strip() for choice in completion.choices],
            selected_documents=[SelectedDocument(i, body.documents[i]) for i in chosen],
            prompt=body.prompt(chosen) if body.return_prompt else UNSET,
        )
        return self._calls.respond(call, answer)

    def _search_model(self, body: AnswerRequest) -> Model | None:
        if not body.documents and body.search_model is None:
            return None
        return self._ranking.search_model(body.search_model, "search_model")
