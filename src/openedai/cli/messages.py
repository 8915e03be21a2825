"""Messages on standard error, with colours on a terminal. Rich costs a tenth of the start."""

from __future__ import annotations

import os
import sys

# The exit status if the flags or the settings are wrong.
EXIT_USAGE = 2
_BOLD, _RED, _PLAIN = "\x1b[1m", "\x1b[31m", "\x1b[0m"


def say(text: str = "") -> None:
    print(text, file=sys.stderr, flush=True)


def bold(text: str) -> str:
    return _styled(_BOLD, text)


def red(text: str) -> str:
    return _styled(_RED, text)


def _styled(style: str, text: str) -> str:
    colours = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    return f"{style}{text}{_PLAIN}" if colours and os.environ.get("TERM") != "dumb" else text
