"""The models that an upstream says it has."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Listed(msgspec.Struct):
    id: str


class Listing(msgspec.Struct):
    """Ollama has null where it has no models."""

    data: list[Listed] | None


def read_names(body: bytes, ours: Mapping[str, str]) -> tuple[str, ...]:
    """Their names, or ours for those that have one. Raises msgspec's errors."""
    theirs = [listed.id for listed in msgspec.json.decode(body, type=Listing).data or ()]
    renamed = {name: our for our, name in ours.items()}
    return tuple(dict.fromkeys(renamed.get(name, name) for name in theirs if name))
