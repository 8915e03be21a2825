"""The texts that a model was trained to see before inputs, by the type of the input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from openedai.errors import Unsupported, invalid_value

# The names that models and clients of other servers use for the same two types.
_SAME = (
    ("query", "search_query", "retrieval.query", "retrieval_query"),
    (
        *("document", "passage", "corpus", "search_document"),
        *("retrieval.passage", "retrieval_document"),
    ),
)


@dataclass(frozen=True)
class Prompts:
    """The prompts of a model by their names, and the prompt for inputs without a type.

    `pooled` is whether the prompt's tokens contribute to the vector.
    """

    named: Mapping[str, str] = field(default_factory=dict)
    default: str = ""
    pooled: bool = True

    def of(self, input_type: str | None) -> str:
        """The prompt for a type of input. A model without one for queries or documents uses its
        default prompt for them. Raises InvalidRequest for any other unknown type.
        """
        if input_type is None:
            return self.default
        alike = next((names for names in _SAME if input_type in names), ())
        names = (input_type, *alike)
        prompt = next((self.named[name] for name in names if name in self.named), None)
        if prompt is None and not alike:
            known = ", ".join(f"'{name}'" for name in {**self.named, "query": "", "document": ""})
            raise invalid_value("input_type", f"the model has the types {known}")
        if prompt and not self.pooled:
            raise Unsupported(
                "The engine does not support this model's prompts: its vectors are made without "
                "their tokens.",
                code="unsupported_parameter",
                param="input_type",
            )
        return self.default if prompt is None else prompt


def read_prompts(named: object, default: object) -> Prompts:
    """As sentence-transformers has them: a mapping, and the name of the default one or None."""
    known = (
        {str(name): text for name, text in named.items() if isinstance(text, str)}
        if isinstance(named, Mapping)
        else {}
    )
    return Prompts(known, known.get(str(default), ""))
