"""The table of names: which model each id, alias and prefix refers to."""

from __future__ import annotations

from collections.abc import Mapping

from openedai.catalog.models import Model, models_of
from openedai.config import ModelSpec


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
        """The model with this id or alias, the adapter of one, or one after a prefix, of which
        the longest counts."""
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


def name_table(builtin: tuple[ModelSpec, ...], users: tuple[ModelSpec, ...]) -> NameTable:
    """The names of the models. Where two have the same, ids come before the user's aliases, and
    these before those of the built-in models. The user's models replace built-in ones by id.
    """
    specs = {spec.id: spec for spec in (*builtin, *users)}
    remaining = (spec for spec in builtin if specs[spec.id] is spec)
    owners = {name: spec.id for spec in (*remaining, *users) for name in names_of(spec)}
    owners |= {model.id: model.id for spec in specs.values() for model in models_of(spec)}
    return NameTable(specs, owners)


def names_of(spec: ModelSpec) -> tuple[str, ...]:
    """The id and the aliases of a spec; none if it is reached by a prefix."""
    return () if spec.prefix is not None else (spec.id, *spec.aliases)
