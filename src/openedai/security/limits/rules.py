"""Finds the limits that apply to a request, in the settings and in what is stored for its
project.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from openedai.config.limits import LimitRule, Limits, LimitSettings
from openedai.security.limits.scopes import BOUNDS, Bound, Scope

EACH = "*"


@dataclass(frozen=True)
class Subject:
    """Whose request it is, the model's id, and the limits that are stored for the key."""

    key: str
    key_name: str
    project: str
    model: str
    limits: tuple[tuple[str, int], ...] = ()


class Rules:
    """The defaults come first, then the rules, then what is stored for a project or a key. A key's
    own limits are for all models together.

    `stored` are the limits of projects, by the project's id and the model's id.
    """

    def __init__(self, settings: LimitSettings) -> None:
        values = {name: getattr(settings, name) for name in Limits.__struct_fields__}
        rules = [LimitRule(project=EACH, **values), *settings.rules]
        self._rules = [rule for rule in rules if _says_anything(rule)]
        self.stored: Mapping[tuple[str, str], Limits] = {}

    @property
    def any(self) -> bool:
        """Whether there may be any limits other than those of keys."""
        return bool(self._rules or self.stored)

    def scopes(self, subject: Subject) -> tuple[Scope, ...]:
        """The scopes that limit a request."""
        values: dict[str, dict[str, int]] = {}
        for rule in filter(lambda rule: _concerns(rule, subject), self._rules):
            values.setdefault(_name(rule, subject), {}).update(_given(rule))
        stored = self.stored.get((subject.project, subject.model))
        if stored is not None:
            own = _name(LimitRule(project=EACH), subject)
            values.setdefault(own, {}).update(_given(stored))
        if subject.limits:
            own = _name(LimitRule(key=EACH, together=True), subject)
            values.setdefault(own, {}).update(subject.limits)
        return tuple(
            scope for scope in map(_scope, values.items()) if scope.bounds or scope.at_once
        )

    def effective(self, subject: Subject) -> dict[str, int]:
        """The limits of a project and one of its models, by the names of the settings."""
        own = _name(LimitRule(project=EACH), subject)
        values: dict[str, int] = {}
        for rule in self._rules:
            if _concerns(rule, subject) and _name(rule, subject) == own:
                values |= _given(rule)
        stored = self.stored.get((subject.project, subject.model))
        values |= {} if stored is None else _given(stored)
        return {name: value for name, value in values.items() if value}


def _says_anything(rule: LimitRule) -> bool:
    return bool(_given(rule))


def _given(limits: Limits) -> dict[str, int]:
    """The limits that are given; 0 means that there is no limit."""
    values = ((name, getattr(limits, name)) for name in Limits.__struct_fields__)
    return {name: value for name, value in values if value is not None}


def _concerns(rule: LimitRule, subject: Subject) -> bool:
    if not fnmatchcase(subject.model, rule.model):
        return False
    if rule.key:
        return rule.key in (EACH, subject.key, subject.key_name)
    return rule.project in ("", EACH, subject.project)


def _name(rule: LimitRule, subject: Subject) -> str:
    """The counter of a rule's limits. Those of rules with the same counter replace each other."""
    who = f"key:{subject.key}" if rule.key else f"project:{subject.project}"
    if rule.together:
        return f"{who} together:{rule.model}"
    return f"{who} model:{subject.model}"


def _scope(item: tuple[str, Mapping[str, int]]) -> Scope:
    name, values = item
    return Scope(name, tuple(_bounds(values.items())), values.get("requests_at_once", 0))


def _bounds(values: Iterable[tuple[str, int]]) -> Iterable[Bound]:
    for setting, value in values:
        if value and setting in BOUNDS:
            measure, per, factor, words = BOUNDS[setting]
            yield Bound(setting, measure, per, value * factor, words)
