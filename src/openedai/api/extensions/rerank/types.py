"""The bodies of `POST /v1/rerank` and `POST /v1/score`, as Cohere, Jina, vLLM and others do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

from pydantic import Discriminator, Field

from openedai.api.parameters.generation.other_servers import HarmlessParameters, unless_minus_one
from openedai.api.parameters.numbers import MAX_INT
from openedai.api.parameters.unions import branch
from openedai.contract.rerank import RerankRequest
from openedai.errors import InvalidRequest, invalid_value, missing_parameter
from openedai.http.body import AllowedOnly
from openedai.http.validation import TAG

MAX_DOCUMENTS = 10_000
MAX_FIELDS = 64

Filled = Annotated[str, Field(min_length=1)]
Limit = Annotated[int, Field(ge=1, le=MAX_INT)]
Document = Annotated[
    Annotated[str, Field(min_length=1), branch("a string")]
    | Annotated[dict[str, Any], branch("an object")],
    Discriminator(lambda value: f"{TAG}{'an object' if isinstance(value, dict) else 'a string'}"),
]
Documents = Annotated[list[Document], Field(min_length=1, max_length=MAX_DOCUMENTS)]
Texts = Annotated[
    Annotated[str, Field(min_length=1), branch("a string")]
    | Annotated[
        list[Filled],
        Field(min_length=1, max_length=MAX_DOCUMENTS),
        branch("an array"),
    ],
    Discriminator(lambda value: f"{TAG}{'an array' if isinstance(value, list) else 'a string'}"),
]


class RelevanceBody(HarmlessParameters):
    """The common fields: the model, how much of a document is read, and the kind of scores."""

    parameter_names: ClassVar = {
        "document_tokens": "max_tokens_per_doc",
        "pair_tokens": "truncate_prompt_tokens",
        "truncate": "truncation",
    }

    model: str | None = None
    max_tokens_per_doc: Limit | None = None
    raw_scores: bool | None = None
    truncate_prompt_tokens: Annotated[int | None, unless_minus_one(at_least=1)] = None
    truncation: bool | None = None
    use_activation: bool | None = None
    user: str | None = None

    def check(self) -> None:
        super().check()
        if self.raw_scores is not None and self.raw_scores == self.use_activation:
            raise invalid_value("use_activation", "it contradicts 'raw_scores'")

    @property
    def raw(self) -> bool:
        """Whether scores are wanted as the model makes them, not as probabilities."""
        return bool(self.raw_scores) or self.use_activation is False

    def request(self, queries: list[str], documents: list[str]) -> RerankRequest:
        pair = self.truncate_prompt_tokens
        return RerankRequest(
            queries=tuple(queries),
            documents=tuple(documents),
            document_tokens=self.max_tokens_per_doc,
            pair_tokens=None if pair == -1 else pair,
            truncate=self.truncation is not False,
        )


class RerankBody(RelevanceBody):
    """A document is a text, or an object whose fields `rank_fields` are read, `text` by default."""

    query: Filled
    documents: Documents
    max_chunks_per_doc: Limit | None = None
    rank_fields: Annotated[list[Filled], Field(min_length=1, max_length=MAX_FIELDS)] | None = None
    return_documents: bool | None = None
    return_embeddings: Annotated[Any, AllowedOnly((False,))] = None
    top_n: Limit | None = None

    def to_engine_request(self) -> RerankRequest:
        return self.request([self.query], list(self._texts()))

    def _texts(self) -> Iterator[str]:
        names = self.rank_fields or ["text"]
        for index, document in enumerate(self.documents):
            if isinstance(document, str):
                yield document
            else:
                yield "\n".join(_fields(document, names, f"documents[{index}]"))


class ScoreBody(RelevanceBody):
    """One text with one other, one with many, or pairs of texts."""

    parameter_names: ClassVar = {**RelevanceBody.parameter_names, "documents": "text_2"}

    text_1: Texts | None = None
    text_2: Texts | None = None
    queries: Texts | None = None
    documents: Texts | None = None

    def check(self) -> None:
        super().check()
        for name, other in (("text_1", "queries"), ("text_2", "documents")):
            first, second = getattr(self, name), getattr(self, other)
            if first is None and second is None:
                raise missing_parameter(name)
            if first is not None and second is not None:
                raise invalid_value(other, f"it is another name of '{name}', which is set too")
        if len(self._first) not in (1, len(self._second)):
            name = "text_1" if self.queries is None else "queries"
            raise InvalidRequest(
                f"Invalid '{name}': it must be one text, or as many as those that they are "
                f"compared with, which are {len(self._second)}.",
                code="invalid_value",
                param=name,
            )

    def to_engine_request(self) -> RerankRequest:
        return self.request(self._first, self._second)

    @property
    def _first(self) -> list[str]:
        return _listed(self.text_1 or self.queries or [])

    @property
    def _second(self) -> list[str]:
        return _listed(self.text_2 or self.documents or [])


def _listed(texts: str | list[str]) -> list[str]:
    return [texts] if isinstance(texts, str) else texts


def _fields(document: dict[str, Any], names: list[str], param: str) -> Iterator[str]:
    """The fields of a document that are read: at least one, all texts, and not all empty."""
    found = {name: document[name] for name in names if document.get(name) is not None}
    for name, value in found.items():
        if not isinstance(value, str):
            raise InvalidRequest(
                f"Invalid type for '{param}.{name}': expected a string.",
                code="invalid_type",
                param=f"{param}.{name}",
            )
    if not any(found.values()):
        listed = ", ".join(f"'{name}'" for name in names)
        raise invalid_value(param, f"it has no text in {listed}")
    yield from (value for value in found.values() if value)
