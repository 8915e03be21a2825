"""The settings of servers that run as a process of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# Answers of the fake engine that go on for as long as a test may take.
ENDLESS: dict[str, Any] = {
    "worker": True,
    "delay": 0.02,
    "repeat": 100_000,
    "context": 10_000_000,
}


def model_table(
    id: str,
    *,
    engine: str = "echo",
    source: str | Path | None = None,
    aliases: tuple[str, ...] = (),
    **options: Any,
) -> str:
    """The table of a model with these options."""
    values: dict[str, Any] = {"id": id, "engine": engine}
    if source is not None:
        values["source"] = str(source)
    if aliases:
        values["aliases"] = list(aliases)
    if options:
        values["options"] = options
    return "".join(["[[models]]\n", *(_line(name, value) for name, value in values.items()), "\n"])


def settings_file(*models: str, **values: Any) -> str:
    """An `openedai.toml` with these models, and no others. The first one is the default for text
    and embeddings unless `values` have another.
    """
    first = json.loads(models[0].splitlines()[1].partition("= ")[2])
    known = {"chat_model": first, "embedding_model": first, "builtin_models": False, **values}
    return "".join([*(_line(name, value) for name, value in known.items()), "\n", *models])


def _line(name: str, value: Any) -> str:
    return f"{name} = {_toml(value)}\n"


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
    return json.dumps(value)
