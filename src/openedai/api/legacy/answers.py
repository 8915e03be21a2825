"""`POST /v1/answers`: a question about documents, as a search and a completion."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, UnsetType
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.legacy.prompted import NotEmpty, Pair, PromptedBody, complete, with_what_fits
from openedai.api.legacy.ranking import MAX_TEXTS, best_first, search_model
from openedai.api.openai.completions.render import Completion
from openedai.api.openai.completions.types import CompletionRequest
from openedai.api.parameters.sampling import Stop
from openedai.http.respond import json_response
from openedai.prompts.example_prompts import ANSWER_END, answer_prompt
from openedai.serving.services import services


class AnswerRequest(PromptedBody):
    """Without `documents` the question is about the context of the examples. `max_rerank` is
    about files. An answer ends with its line, unless `stop` says otherwise.
    """

    question: NotEmpty
    examples: list[Pair] = Field(min_length=1, max_length=MAX_TEXTS)
    examples_context: str
    documents: list[NotEmpty] = Field(max_length=MAX_TEXTS)
    max_rerank: int | None = Field(None, ge=1)
    max_tokens: int | None = Field(None, ge=1)
    stop: Stop | None = None
    n: int | None = Field(None, ge=1, le=10)

    def prompt(self, chosen: Sequence[int]) -> str:
        """`chosen` are the places of documents, best first; the best is read last."""
        documents = [self.documents[index] for index in reversed(chosen)]
        pairs = [(asked, said) for asked, said in self.examples]
        return answer_prompt(self.question, documents, pairs, self.examples_context)

    def asked(self, chosen: Sequence[int]) -> CompletionRequest:
        stop = self.stop or ANSWER_END
        return self.completion(self.prompt(chosen), max_tokens=self.max_tokens, n=self.n, stop=stop)


class SelectedDocument(msgspec.Struct):
    document: int
    text: str


class Answer(msgspec.Struct):
    """`selected_documents` are those that the model was shown, best first. `search_model` is null
    where nothing was searched.
    """

    model: str
    search_model: str | None
    completion: Completion | str
    answers: list[str]
    selected_documents: list[SelectedDocument]
    prompt: str | UnsetType = UNSET
    object: str = "answer"


async def create(request: Request) -> Response:
    here = services(request)
    body, headers = await here.read(request, AnswerRequest)
    model = here.catalog.resolve(body.model)
    ranked: list[int] = []
    searcher = None
    if body.documents or body.search_model is not None:
        searcher = search_model(here, body.search_model, "search_model")
    if searcher is not None and body.documents:
        ranked = await best_first(here, request, searcher, body.question, body.documents)

    async def ask(chosen: Sequence[int]) -> Completion:
        return await complete(here, request, model, body.asked(chosen), prompt="question")

    chosen, completion = await with_what_fits(ranked, ask)
    answer = Answer(
        model=model.id,
        search_model=searcher.id if searcher else None,
        completion=body.shown(completion),
        answers=[choice.text.strip() for choice in completion.choices],
        selected_documents=[SelectedDocument(index, body.documents[index]) for index in chosen],
        prompt=body.prompt(chosen) if body.return_prompt else UNSET,
    )
    return json_response(answer, headers=headers | here.limits(model.spec))
