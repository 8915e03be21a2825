"""The list of an upstream's models."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class ListedModel(msgspec.Struct):
    id: str


class ModelList(msgspec.Struct):
    """`data` is null where Ollama has no models."""

    data: list[ListedModel] | None


def read_names(body: bytes, names: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the models. `names` maps our names to the upstream's; ours replace those.

    Raises msgspec's errors.
    """
    listed = [model.id for model in msgspec.json.decode(body, type=ModelList).data or ()]
    renamed = {theirs: ours for ours, theirs in names.items()}
    return tuple(dict.fromkeys(renamed.get(name, name) for name in listed if name))
