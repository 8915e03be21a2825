"""The body of `POST /v1/systemone`."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from openedai.api.parameters.unions import BY_JSON_TYPE, BY_TYPE, branch
from openedai.contract.decide import DecideRequest, Question
from openedai.errors import invalid_value
from openedai.http.body import AllowedOnly, Body
from openedai.prompts.decisions import (
    Option,
    as_text,
    decision_input,
    level_of,
    one_of,
    yes_or_no,
)

# A text, or JSON that is shown to the model as it is.
Content = Annotated[
    Annotated[str, branch("a string")]
    | Annotated[dict[str, Any], branch("an object")]
    | Annotated[list[Any], branch("an array")],
    BY_JSON_TYPE,
]


class Meanings(Body):
    """What yes and no mean."""

    yes: Content | None = Field(None, alias="true")
    no: Content | None = Field(None, alias="false")


class NoulQuestion(Body):
    type: Literal["noul"]
    instructions: Content
    criteria: Meanings | None = None

    def to_engine_question(self) -> Question:
        meanings = self.criteria or Meanings()
        return yes_or_no(
            as_text(self.instructions),
            yes=as_text(meanings.yes or ""),
            no=as_text(meanings.no or ""),
        )


class ChoiceQuestion(Body):
    type: Literal["choice"]
    instructions: Content
    criteria: Annotated[dict[str, Content | None], Field(min_length=1, max_length=255)]

    def to_engine_question(self) -> Question:
        options = [Option(name, as_text(text or "")) for name, text in self.criteria.items()]
        return one_of(as_text(self.instructions), options)


class ScoreQuestion(Body):
    type: Literal["score"]
    instructions: Content
    criteria: Annotated[list[Content], Field(min_length=1, max_length=255)]

    def to_engine_question(self) -> Question:
        levels = [Option(str(at), as_text(text)) for at, text in enumerate(self.criteria)]
        return level_of(as_text(self.instructions), levels)


class OtherQuestion(Body):
    """Gives the error for an unknown type."""

    type: Literal["noul", "choice", "score"]
    instructions: Content

    def to_engine_question(self) -> Question:
        raise AssertionError("not a valid question")


SystemOneQuestion = Annotated[
    NoulQuestion | ChoiceQuestion | ScoreQuestion | OtherQuestion, BY_TYPE
]


class SystemOneRequest(Body):
    """`keep_alive`, Ollama's, has no effect."""

    parameter_names: ClassVar = {"input": "state"}

    model: str
    state: Content
    questions: Annotated[dict[str, SystemOneQuestion], Field(min_length=1, max_length=400)]
    images: Annotated[Any, AllowedOnly(([],))] = None
    keep_alive: Any = None

    def check(self) -> None:
        """Raise InvalidRequest for a question without instructions."""
        for name, question in self.questions.items():
            if not as_text(question.instructions).strip():
                raise invalid_value(f"questions.{name}.instructions", "it must not be empty")

    def to_engine_request(self) -> DecideRequest:
        return DecideRequest(
            input=decision_input(as_text(self.state)),
            questions=tuple(one.to_engine_question() for one in self.questions.values()),
        )
