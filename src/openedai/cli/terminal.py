"""What all commands have in common: an option, their output, and how errors end them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from openedai.cli.messages import EXIT_USAGE
from openedai.config import ConfigError

UNWRAPPED = 10_000  # columns
NO_KEY = "none"  # what servers are sent that need no key

Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="Configuration file (./openedai.toml).")
]


class ErrorMessages:
    """Turns errors into one line and an exit code."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, _: Any
    ) -> None:
        from openedai.errors import APIError, ModelNotFound

        if isinstance(error, ModelNotFound):
            fail(f"{error.message} openedai models list shows the names.")
        if isinstance(error, APIError):
            fail(error.message)
        if isinstance(error, ConfigError):
            fail(str(error), EXIT_USAGE)


def connection_problem(error: Exception) -> str:
    """Why a server could not be asked, without the internals of the library that tried."""
    cause = getattr(error, "os_error", error)
    number = getattr(cause, "errno", None)
    if number is not None and number > 0:
        return os.strerror(number)
    return getattr(cause, "strerror", None) or str(error) or "it did not answer in time"


def refused_key(url: str, key: str) -> str:
    """What to do about a server that answers 401. Of the key the ends are shown."""
    if key == NO_KEY:
        return f"the server at {url} needs a key: set OPENAI_API_KEY"
    shown = f"{key[:3]}…{key[-4:]}" if len(key) > 10 else repr(key)
    return f"the server at {url} does not accept the key {shown}: set OPENAI_API_KEY to another one"


def stdout() -> Console:
    """Standard output. Lines for a file or a program are not wrapped."""
    wraps = sys.stdout.isatty() or bool(os.environ.get("COLUMNS"))
    return Console(highlight=False, width=None if wraps else UNWRAPPED)


def stderr() -> Console:
    return Console(stderr=True, highlight=False)


def fail(message: str, code: int = 1) -> NoReturn:
    print(f"openedai: {message}", file=sys.stderr)
    raise typer.Exit(code)
