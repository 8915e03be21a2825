"""The report of all checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec
from rich.console import Console
from rich.text import Text

from openedai.cli.doctor import machine, server
from openedai.cli.doctor.finding import Finding, State
from openedai.config import Settings

_MARKS: dict[State, tuple[str, str]] = {
    "good": ("✓", "green"),
    "note": ("!", "yellow"),
    "bad": ("✗", "red"),
}
_WIDTH = 16

Check = Callable[[], Finding | Iterator[Finding]]


def checks(settings: Settings, config: Path | None) -> list[Check]:
    return [
        machine.system,
        machine.cores,
        partial(machine.memory, settings),
        partial(machine.gpu, settings),
        partial(machine.llama_cpp, settings),
        machine.onnx,
        machine.extras,
        partial(server.settings_source, config),
        partial(server.access, settings),
        partial(server.port, settings),
        partial(machine.folder, "cache folder", settings.cache_dir),
        partial(machine.folder, "data folder", settings.data),
        partial(server.models, settings),
        partial(server.database, settings),
    ]


def findings(settings: Settings, config: Path | None) -> Iterator[Finding]:
    """What each check finds, one after the other. A failing check is a finding, too."""
    for check in checks(settings, config):
        try:
            found = check()
            yield from [found] if isinstance(found, Finding) else found
        except Exception as error:  # a check looks at things that may be broken in any way
            name = getattr(check, "func", check).__name__
            yield Finding(name, "bad", f"the check failed: {type(error).__name__}: {error}")


def report(settings: Settings, config: Path | None, console: Console) -> bool:
    """Print each finding as it comes. Returns whether none is bad."""
    bad = 0
    for finding in findings(settings, config):
        mark, colour = _MARKS[finding.state]
        console.print(Text.assemble((mark, colour), f" {finding.about:{_WIDTH}}", finding.found))
        if finding.advice:
            console.print(Text(f"  {'':{_WIDTH}}→ {finding.advice}", "bold"))
        bad += finding.state == "bad"
    if bad:
        console.print(f"\n{bad} problem{'' if bad == 1 else 's'}.")
    return not bad


def report_as_json(settings: Settings, config: Path | None) -> tuple[str, bool]:
    """An array of findings, and whether none is bad."""
    found = [*findings(settings, config)]
    text = msgspec.json.format(msgspec.json.encode(found)).decode()
    return text, all(one.state != "bad" for one in found)
