"""The flags of `openedai serve`: the quick way reads them as typer does."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from openedai.cli.commands import app
from openedai.cli.flags import serve_flags
from openedai.config import Settings


def by_typer(*arguments: str) -> dict[str, Any]:
    """The flags that were given, as typer reads them."""
    group: Any = get_command(app)
    command = group.commands["serve"]
    values = command.make_context("serve", list(arguments)).params
    return {name: value for name, value in values.items() if value}


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--port", "8000"),
        ("--port=0", "--host=0.0.0.0", "--no-auth"),
        ("-c", "a.toml", "--offline", "--no-pull"),
        ("--config=a.toml", "--preload", "a", "--preload=b=c"),
        ("--chat-model", "hf:a/b", "--embedding-model", "c", "--memory-budget", "80%"),
        ("--log-format", "json", "--log-level=debug", "--host", ""),
    ],
)
def test_both_ways_agree(arguments: tuple[str, ...]) -> None:
    flags = serve_flags(arguments)
    assert flags is not None
    assert {name: value for name, value in flags.items() if value} == by_typer(*arguments)


@pytest.mark.parametrize(
    "arguments",
    ["--help", "-h", "--port high", "--port", "--port -1", "--prot 1", "more", "-ca.toml", "--"],
)
def test_what_typer_has_to_explain(arguments: str) -> None:
    assert serve_flags(arguments.split()) is None


def test_every_flag_can_be_read() -> None:
    group: Any = get_command(app)
    names = {one.name for one in group.commands["serve"].params} - {"help"}
    assert names - {"config", "no_pull"} <= {field.name for field in fields(Settings)}
    for option in group.commands["serve"].params:
        for name in option.opts:
            value = () if option.is_flag else ("1",)
            flags = serve_flags([name, *value])
            assert flags is not None, name
            assert list(flags) == [option.name]


def test_files_are_paths() -> None:
    assert serve_flags(["--config", "a.toml"]) == {"config": Path("a.toml")}
