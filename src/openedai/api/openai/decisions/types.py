"""The body of `POST /v1/decisions`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field

from openedai.api.openai.decisions.input import (
    Content,
    Input,
    check_content,
    check_input,
    content_text,
    input_text,
)
from openedai.api.parameters.unions import BY_TYPE, branch
from openedai.contract.decide import DecideRequest, Question
from openedai.errors import invalid_value
from openedai.http.body import Body
from openedai.http.validation import TAG
from openedai.prompts.decisions import Option, decision_input, level_of, one_of, yes_or_no


class PredicateQuestion(Body):
    type: Literal["predicate"]
    instructions: Content
    name: str | None = None

    def to_engine_question(self) -> Question:
        return yes_or_no(content_text(self.instructions))


def _value_type(value: Any) -> str:
    return f"{TAG}a string" if isinstance(value, str) else f"{TAG}other"


class ChoiceOption(Body):
    value: Annotated[
        Annotated[str, branch("a string")] | Annotated[bool, branch("other")],
        Discriminator(_value_type),
    ]
    description: str | None = None


class ChoiceQuestion(Body):
    type: Literal["choice"]
    instructions: Content
    choices: Annotated[list[ChoiceOption], Field(min_length=2, max_length=255)]
    name: str | None = None

    def to_engine_question(self) -> Question:
        options = [Option(one.value, one.description or "") for one in self.choices]
        return one_of(content_text(self.instructions), options)


class ScoreLevel(Body):
    label: str
    description: str | None = None


class ScoreQuestion(Body):
    type: Literal["score"]
    instructions: Content
    levels: Annotated[list[ScoreLevel], Field(min_length=2, max_length=255)]
    name: str | None = None

    def to_engine_question(self) -> Question:
        levels = [Option(one.label, one.description or "") for one in self.levels]
        return level_of(content_text(self.instructions), levels)


class OtherQuestion(Body):
    """Gives the error for an unknown type."""

    type: Literal["predicate", "choice", "score"]
    instructions: Content
    name: str | None = None

    def to_engine_question(self) -> Question:
        raise AssertionError("not a valid question")


DecisionQuestion = Annotated[
    PredicateQuestion | ChoiceQuestion | ScoreQuestion | OtherQuestion, BY_TYPE
]


class DecisionRequest(Body):
    """`prompt_cache_key`, `prompt_cache_options` and `safety_identifier` have no effect."""

    model: str
    input: Input
    questions: Annotated[list[DecisionQuestion], Field(min_length=1, max_length=400)]
    prompt_cache_key: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    safety_identifier: str | None = None

    def check(self) -> None:
        """Raise InvalidRequest for fields that are not valid together."""
        check_input(self.input)
        for index, question in enumerate(self.questions):
            path = f"questions[{index}]"
            check_content(question.instructions, "instructions", f"{path}.instructions")
            if not content_text(question.instructions).strip():
                raise invalid_value(f"{path}.instructions", "it must not be empty")
            if isinstance(question, ChoiceQuestion):
                values = {(type(one.value), one.value) for one in question.choices}
                if len(values) < len(question.choices):
                    raise invalid_value(f"{path}.choices", "each choice must be unique")

    def to_engine_request(self) -> DecideRequest:
        return DecideRequest(
            input=decision_input(input_text(self.input)),
            questions=tuple(question.to_engine_question() for question in self.questions),
        )
