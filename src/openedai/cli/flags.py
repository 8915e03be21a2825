"""The flags of `openedai serve`, read without typer, which costs a fifth of the start."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

_TEXTS = {
    "--host": "host",
    "--chat-model": "chat_model",
    "--embedding-model": "embedding_model",
    "--memory-budget": "memory_budget",
    "--log-format": "log_format",
    "--log-level": "log_level",
    "--root-path": "root_path",
    "--tunnel": "tunnel",
}
_SWITCHES = {"--no-auth": "no_auth", "--no-pull": "no_pull", "--offline": "offline"}
_FILES = {
    "--config": "config",
    "-c": "config",
    "--unix-socket": "unix_socket",
    "--cert-path": "cert_path",
    "--key-path": "key_path",
}
_NUMBERS = {"--port": "port"}
_LISTS = {"--preload": "preload"}
_VALUES = _TEXTS | _FILES | _NUMBERS | _LISTS


def serve_flags(arguments: Sequence[str]) -> dict[str, Any] | None:
    """The flags by their names in `commands.serve`; None for arguments that typer has to
    explain.
    """
    flags: dict[str, Any] = {}
    rest = iter(arguments)
    for argument in rest:
        if argument in _SWITCHES:
            flags[_SWITCHES[argument]] = True
            continue
        name, has_value, value = argument.partition("=")
        if name not in _VALUES or (has_value and name == "-c"):
            return None
        if not has_value:
            following = next(rest, None)
            if following is None or following.startswith("-"):
                return None
            value = following
        if name in _LISTS:
            flags.setdefault(_LISTS[name], []).append(value)
        elif name in _NUMBERS and not (value.isascii() and value.isdigit()):
            return None
        else:
            kind = int if name in _NUMBERS else Path if name in _FILES else str
            flags[_VALUES[name]] = kind(value)
    return flags
