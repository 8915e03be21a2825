"""What moderation.md says of labels and guards is what the code knows."""

from __future__ import annotations

import re
from typing import get_args

from openedai.contract.moderate import CATEGORIES
from openedai.engines.moderation.labels import LETTERS, WELL_KNOWN
from openedai.prompts.guards import GUIDELINES, HAZARDS, GuardName
from tests.docs.pages import code_words, section, tables


def test_labels_of_classifiers() -> None:
    rows = next(
        rows
        for rows in tables(section("docs/moderation.md", "Other models"))
        if any("`toxicity`" in label for label, _ in rows)
    )
    told = {
        label: tuple(code_words(meaning))
        for labels, meaning in rows
        for label in code_words(labels)
    }
    letters = next(labels for labels, _ in rows if "`S3`" in labels)
    meanings = dict(zip(code_words(letters), told.pop("S"), strict=True))
    assert {key.lower(): (meaning,) for key, meaning in meanings.items()} == LETTERS
    own = {
        name for name, known in WELL_KNOWN.items() if known[0] in CATEGORIES and name in _plain()
    }
    rest = {label: known for label, known in told.items() if label.upper() not in meanings}
    rest.pop("self_harm_intent")
    assert rest == {name: known for name, known in WELL_KNOWN.items() if name not in own}


def _plain() -> set[str]:
    return {category.replace("/", "_").replace("-", "_") for category in CATEGORIES}


def test_hazards() -> None:
    found = next(
        rows
        for rows in tables(section("docs/moderation.md", "Other models"))
        if rows[0][0].startswith("`S1`")
    )
    told = {code_words(hazard)[0]: tuple(code_words(known)) for hazard, known in found}
    assert told == {code: known for code, known in HAZARDS.items() if known}


def test_guards() -> None:
    text = section("docs/moderation.md", "Other models")
    assert all(f'`"{name}"`' in text for name in get_args(GuardName))
    (asks,) = re.findall(r"each with a guideline: (.*) \|", text)
    assert asks.split(", ") == [*GUIDELINES]
