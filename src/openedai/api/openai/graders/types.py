"""The bodies of `/v1/fine_tuning/alpha/graders`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Discriminator, Field

from openedai.api.parameters.generation.other_servers import Effort
from openedai.api.parameters.numbers import MAX_INT
from openedai.api.parameters.unions import BY_JSON_TYPE, BY_TYPE, branch
from openedai.contract.generate import Sampling
from openedai.errors import invalid_value
from openedai.http.body import Body, UnsupportedValues
from openedai.http.validation import TAG
from openedai.serving.grading.formulas import MAX_LENGTH, Formula
from openedai.serving.grading.graders import (
    Grader,
    LabelModel,
    Multi,
    ScoreModel,
    Single,
    StringCheck,
    TextSimilarity,
    Turn,
)
from openedai.serving.grading.templates import Template

_MOST_GRADERS = 32
_MOST_TURNS = 64
_TOKENS = 1024  # of an answer, if the grader does not say


def _check_template(text: str) -> str:
    Template.parse(text)
    return text


Metric = Literal[
    "cosine",
    "fuzzy_match",
    "bleu",
    "gleu",
    "meteor",
    "rouge_1",
    "rouge_2",
    "rouge_3",
    "rouge_4",
    "rouge_5",
    "rouge_l",
]
Name = Annotated[str, Field(min_length=1, max_length=256)]
TemplateText = Annotated[str, AfterValidator(_check_template)]


class TextPart(Body):
    type: Literal["input_text", "output_text"]
    text: TemplateText


class OtherPart(Body):
    """A part that is not supported; it also gives the error for an unknown one."""

    type: Annotated[
        Literal["input_text", "output_text", "input_image", "input_audio"],
        UnsupportedValues("input_image", "input_audio"),
    ]
    text: str = ""
    image_url: Any = None
    input_audio: Any = None
    detail: Any = None


PartObject = Annotated[TextPart | OtherPart, BY_TYPE]
Part = Annotated[
    Annotated[TemplateText, branch("a string")] | Annotated[PartObject, branch("an object")],
    BY_JSON_TYPE,
]
Content = Annotated[
    Annotated[TemplateText, branch("a string")]
    | Annotated[PartObject, branch("an object")]
    | Annotated[list[Part], Field(min_length=1), branch("an array")],
    BY_JSON_TYPE,
]


class InputMessage(Body):
    role: Literal["user", "assistant", "system", "developer"]
    content: Content
    type: Literal["message"] | None = None

    def turn(self) -> Turn:
        parts = self.content if isinstance(self.content, list) else [self.content]
        texts = (part if isinstance(part, str) else part.text for part in parts)
        return Turn(self.role, Template.parse("".join(texts)))


Input = Annotated[list[InputMessage], Field(min_length=1, max_length=_MOST_TURNS)]


class SamplingParams(Body):
    max_completions_tokens: int | None = Field(None, ge=1, le=MAX_INT)
    reasoning_effort: Effort | None = None
    seed: int | None = Field(None, ge=-MAX_INT, le=MAX_INT)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)


class StringCheckGrader(Body):
    type: Literal["string_check"]
    name: Name
    input: TemplateText
    reference: TemplateText
    operation: Literal["eq", "ne", "like", "ilike"]

    def grader(self, param: str) -> StringCheck:
        texts = Template.parse(self.input), Template.parse(self.reference)
        return StringCheck(self.name, *texts, self.operation)


class TextSimilarityGrader(Body):
    type: Literal["text_similarity"]
    name: Name
    input: TemplateText
    reference: TemplateText
    evaluation_metric: Metric

    def grader(self, param: str) -> TextSimilarity:
        texts = Template.parse(self.input), Template.parse(self.reference)
        return TextSimilarity(self.name, *texts, self.evaluation_metric)


class ScoreModelGrader(Body):
    type: Literal["score_model"]
    name: Name
    model: str
    input: Input
    range: list[float] | None = Field(None, min_length=2, max_length=2)
    sampling_params: SamplingParams | None = None

    def grader(self, param: str) -> ScoreModel:
        low, high = self.range or (0.0, 1.0)
        if low >= high:
            raise invalid_value(f"{param}.range", "its first number is not the lower one")
        given = self.sampling_params or SamplingParams()
        return ScoreModel(
            self.name,
            self.model,
            tuple(message.turn() for message in self.input),
            low,
            high,
            Sampling(temperature=given.temperature or 0.0, top_p=given.top_p, seed=given.seed),
            given.max_completions_tokens or _TOKENS,
            given.reasoning_effort,
        )


class LabelModelGrader(Body):
    type: Literal["label_model"]
    name: Name
    model: str
    input: Input
    labels: Annotated[list[Name], Field(min_length=1, max_length=256)]
    passing_labels: Annotated[list[Name], Field(min_length=1, max_length=256)]

    def grader(self, param: str) -> LabelModel:
        if not set(self.passing_labels) <= set(self.labels):
            raise invalid_value(f"{param}.passing_labels", "one of them is not one of the `labels`")
        turns = tuple(message.turn() for message in self.input)
        labels = tuple(dict.fromkeys(self.labels))
        return LabelModel(self.name, self.model, turns, labels, frozenset(self.passing_labels))


class OtherGrader(Body):
    """A grader that is not supported here; it also gives the error for an unknown one."""

    type: Annotated[
        Literal["string_check", "text_similarity", "score_model", "label_model", "multi", "python"],
        UnsupportedValues("multi", "python"),
    ]
    name: Any = None
    source: Any = None
    image_tag: Any = None
    graders: Any = None
    calculate_output: Any = None

    def grader(self, param: str) -> Single:
        raise AssertionError("not a valid grader")


_Single = StringCheckGrader | TextSimilarityGrader | ScoreModelGrader | LabelModelGrader
SingleGrader = Annotated[_Single | OtherGrader, BY_TYPE]


def _one_or_many(value: Any) -> str:
    one = isinstance(value, dict) and isinstance(value.get("type"), str)
    return f"{TAG}one" if one or isinstance(value, Body) else f"{TAG}many"


class MultiGrader(Body):
    """`graders` are graders by their names or, as in the official client's types, a single one."""

    type: Literal["multi"]
    name: Name
    graders: Annotated[
        Annotated[SingleGrader, branch("one")]
        | Annotated[
            dict[str, SingleGrader],
            Field(min_length=1, max_length=_MOST_GRADERS),
            branch("many"),
        ],
        Discriminator(_one_or_many),
    ]
    calculate_output: Annotated[str, Field(min_length=1, max_length=MAX_LENGTH)]

    def grader(self, param: str) -> Multi:
        param = f"{param}.graders"
        if isinstance(self.graders, dict):
            parts = {name: one.grader(f"{param}.{name}") for name, one in self.graders.items()}
        else:
            only = self.graders.grader(param)
            parts = {only.name: only}
        try:
            formula = Formula(self.calculate_output, parts.keys())
        except ValueError as error:
            raise invalid_value("grader.calculate_output", str(error)) from None
        return Multi(self.name, parts, formula)


AnyGrader = Annotated[_Single | MultiGrader | OtherGrader, BY_TYPE]


class GraderBody(Body):
    """Errors of engines about the request refer to the grader."""

    parameter_names: ClassVar[Mapping[str, str]] = {
        "model": "grader.model",
        "messages": "grader.input",
        "input": "grader.input",
        "response_format": "grader.model",
        "reasoning_effort": "grader.sampling_params.reasoning_effort",
    }

    grader: AnyGrader

    def check(self) -> None:
        self.to_grader()

    def to_grader(self) -> Grader:
        """Raises InvalidRequest for fields that are not valid together."""
        return self.grader.grader("grader")


class GraderRunRequest(GraderBody):
    model_sample: str
    item: Any = None


class GraderValidateRequest(GraderBody):
    pass
