"""The table of the peers, `peers.toml`, as typed values."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

TABLE = Path(__file__).with_name("peers.toml")
ECHO_OR_FORCED = ("echo", "forced")
Weights = Literal["packaged", "served", "q8_0", "checkpoint"]


class Peer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One entry; the table's own comment says what its fields mean.

    `package` is the distribution whose version is shown. `environment` names another peer, whose
    virtual environment this one shares.
    """

    name: str
    package: str
    start: str
    weights: Weights
    install: tuple[str, ...] = ()
    environment: str = ""
    speaks: Literal["http", "lines"] = "http"
    health: str = "/health"
    model: str = "default"
    variables: dict[str, str] = {}
    score: str = ""
    usage: bool = True
    keep: bool = False

    def command(self, values: Mapping[str, object]) -> list[str]:
        """`start` as words, with `values` in place of the braces. Raises KeyError."""
        return _words(self.start, values)

    def scorer(self, values: Mapping[str, object]) -> list[str]:
        """`score` in the same way; empty if it is not a command."""
        return _words(self.score, values) if self.score not in ECHO_OR_FORCED else []

    def model_name(self, values: Mapping[str, object]) -> str:
        """The name of the model in requests."""
        return self.model.format_map(values)

    def environ(self, values: Mapping[str, object]) -> dict[str, str]:
        """`variables`, filled in in the same way."""
        return {name: text.format_map(values) for name, text in self.variables.items()}


def _words(line: str, values: Mapping[str, object]) -> list[str]:
    return [word.format_map(values) for word in shlex.split(line)]


def read(file: Path = TABLE) -> tuple[Peer, ...]:
    """The peers, in the order of the file. Raises msgspec.ValidationError."""
    entries = tomllib.loads(file.read_text("utf-8"))
    return tuple(msgspec.convert({"name": name, **entry}, Peer) for name, entry in entries.items())
