"""The table of names: which model each id, alias and prefix refers to."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from openedai.catalog.models import Model, models_of
from openedai.config import ModelSpec

# From which part of the same letters on a name is like another one.
_LIKE = 0.75


class NameTable:
    """`specs` are by id; `owners` has the id of a model for each id and alias."""

    def __init__(self, specs: Mapping[str, ModelSpec], owners: Mapping[str, str]) -> None:
        self.specs = specs
        self.owners = owners
        self.models = {model.id: model for spec in specs.values() for model in models_of(spec)}
        self._prefixes = sorted(
            ((spec.prefix, spec) for spec in specs.values() if spec.prefix is not None),
            key=lambda pair: -len(pair[0]),
        )

    def find(self, name: str) -> Model | None:
        """The model with this id or alias, an adapter of one, or a model after a prefix; the
        longest prefix counts.
        """
        id = self.owners.get(name, name)
        if model := self.models.get(id):
            return model
        base, colon, adapter = name.rpartition(":")
        if colon and (model := self.models.get(f"{self.owners.get(base, base)}:{adapter}")):
            return model
        for prefix, spec in self._prefixes:
            if id.startswith(prefix) and id != prefix:
                return Model(id, spec, id.removeprefix(prefix))
        return None

    def nearest(self, name: str) -> str | None:
        """The id or the alias that is most like this name, as a typing error is; None without."""
        known = {known.lower(): known for known in self.owners}
        found = get_close_matches(name.lower(), known, n=1, cutoff=_LIKE)
        return known[found[0]] if found else None


def name_table(builtin: tuple[ModelSpec, ...], users: tuple[ModelSpec, ...]) -> NameTable:
    """The names of the models. If two models share a name, ids take precedence over the user's
    aliases, and these over those of built-in models. The user's models replace built-in ones with
    the same id.
    """
    specs = {spec.id: spec for spec in (*builtin, *users)}
    remaining = (spec for spec in builtin if specs[spec.id] is spec)
    owners = {name: spec.id for spec in (*remaining, *users) for name in names_of(spec)}
    owners |= {model.id: model.id for spec in specs.values() for model in models_of(spec)}
    return NameTable(specs, owners)


def names_of(spec: ModelSpec) -> tuple[str, ...]:
    """The id and the aliases of a spec; none if it is reached by a prefix."""
    return () if spec.prefix is not None else (spec.id, *spec.aliases)
