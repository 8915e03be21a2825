"""The labels of a sequence classifier, and the categories of moderation that they stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from openedai.contract.moderate import CATEGORIES
from openedai.errors import EngineFailed, Unavailable

# By the names of labels in lower case, with one underscore between words. The official categories
# themselves are known too.
WELL_KNOWN: Mapping[str, tuple[str, ...]] = {
    **{re.sub(r"[^a-z]+", "_", category): (category,) for category in CATEGORIES},
    "toxic": ("harassment",),
    "toxicity": ("harassment",),
    "severe_toxic": ("harassment",),
    "severe_toxicity": ("harassment",),
    "insult": ("harassment",),
    "obscene": ("harassment",),
    "offensive": ("harassment",),
    "abusive": ("harassment",),
    "abuse": ("harassment",),
    "bullying": ("harassment",),
    "cyberbullying": ("harassment",),
    "threat": ("harassment/threatening", "violence"),
    "identity_hate": ("hate",),
    "identity_attack": ("hate",),
    "hateful": ("hate",),
    "hate_speech": ("hate",),
    "hatespeech": ("hate",),
    "sexual_explicit": ("sexual",),
    "sexually_explicit": ("sexual",),
    "nsfw": ("sexual",),
    "suicide": ("self-harm",),
    "suicidal": ("self-harm",),
    "violent": ("violence",),
}
# The letters of KoalaAI's Text-Moderation, used if a model has all of them.
LETTERS: Mapping[str, tuple[str, ...]] = {
    "s": ("sexual",),
    "h": ("hate",),
    "v": ("violence",),
    "hr": ("harassment",),
    "sh": ("self-harm",),
    "s3": ("sexual/minors",),
    "h2": ("hate/threatening",),
    "v2": ("violence/graphic",),
}


def label_names(config: Mapping[str, Any], count: int) -> list[str]:
    """The names of a model's labels, in the order of its logits; `config` is its config.json."""
    given = config.get("id2label")
    named = given if isinstance(given, Mapping) else {}
    return [str(named.get(str(index), f"LABEL_{index}")) for index in range(count)]


def categories_of_labels(
    names: Sequence[str], mapping: Mapping[str, Sequence[str] | str]
) -> dict[str, list[int]]:
    """The indices of the labels that stand for each category, in the order of CATEGORIES.

    `mapping` has the categories of labels; if it is empty, well-known names decide. Raises
    EngineFailed for a mapping that does not fit, and Unavailable if no label is known.
    """
    meanings = _configured(names, mapping) if mapping else _well_known(names)
    found = {
        category: [index for index, known in enumerate(meanings) if category in known]
        for category in CATEGORIES
    }
    if not any(meanings):
        raise Unavailable(
            f"Its labels {', '.join(names)} are not known: say in the option `labels` which "
            "categories they stand for."
        )
    return {category: labels for category, labels in found.items() if labels}


def _configured(
    names: Sequence[str], mapping: Mapping[str, Sequence[str] | str]
) -> list[tuple[str, ...]]:
    for name, given in mapping.items():
        if name not in names:
            raise EngineFailed(
                f"The option `labels` names `{name}`, but its labels are {', '.join(names)}."
            )
        for category in _listed(given):
            if category not in CATEGORIES:
                raise EngineFailed(f"The option `labels` has no category for `{category}`.")
    return [_listed(mapping.get(name, ())) for name in names]


def _well_known(names: Sequence[str]) -> list[tuple[str, ...]]:
    plain = [re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_") for name in names]
    known = {**WELL_KNOWN, **LETTERS} if set(LETTERS) <= set(plain) else WELL_KNOWN
    return [known.get(name, ()) for name in plain]


def _listed(given: Sequence[str] | str) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
