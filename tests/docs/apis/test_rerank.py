"""docs/rerank.md agrees with the code."""

from __future__ import annotations

from typing import Any

import pytest

from openedai.api.extensions.rerank.types import RerankBody, ScoreBody
from openedai.api.parameters.generation.other_servers import HarmlessParameters
from tests.docs.pages import code_words, section, tables

PAGE = "docs/rerank.md"
BODIES: dict[str, tuple[type[RerankBody | ScoreBody], dict[str, Any]]] = {
    "Parameters of rerank": (RerankBody, {"query": "a", "documents": ["b"]}),
    "Parameters of score": (ScoreBody, {"text_1": "a", "text_2": "b"}),
}


def listed(title: str, status: str = "") -> set[str]:
    (table,) = tables(section(PAGE, title))
    return {code_words(row[0])[0] for row in table if status in ("", row[1])}


@pytest.mark.parametrize("title", BODIES)
def test_every_parameter_is_listed(title: str) -> None:
    body, _ = BODIES[title]
    assert listed(title) == set(body.model_fields) - set(HarmlessParameters.model_fields)


@pytest.mark.parametrize("title", BODIES)
def test_parameters_without_effect_have_none(title: str) -> None:
    body, values = BODIES[title]
    plain = body.model_validate(values)
    for name in listed(title, "no effect"):
        changed = body.model_validate(
            {**values, name: 5 if name.startswith("max") else "x"}, strict=True
        )
        assert changed.to_engine_request() == plain.to_engine_request()
