"""What is known to fail of another project's suite, and whether a run differs from it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Known:
    """Tests that fail. `tests` matches their whole names, `error` a part of their errors."""

    tests: str
    error: str
    why: str

    def matches(self, names: Iterable[str]) -> bool:
        return any(re.fullmatch(self.tests, name) for name in names)


def known_failures(file: Path) -> list[Known]:
    return [Known(**entry) for entry in tomllib.loads(file.read_text("utf-8"))["failing"]]


def differences(results: Mapping[str, str | None], known: Sequence[Known]) -> list[str]:
    """How the results differ from what is known; `results` has each test's error, None if it
    passed.
    """
    found = [_difference(name, error, known) for name, error in results.items()]
    unused = [f"{entry.tests} matches no test" for entry in known if not entry.matches(results)]
    return [text for text in found if text] + unused


def _difference(name: str, error: str | None, known: Sequence[Known]) -> str | None:
    entries = [entry for entry in known if entry.matches([name])]
    if len(entries) > 1:
        return f"{name} is listed more than once"
    if error is None:
        return f"{name} passes, but is listed as failing" if entries else None
    if not entries:
        return f"{name} fails: {error}"
    if not re.search(entries[0].error, error):
        return f"{name} fails otherwise than is listed: {error}"
    return None


def report(results: Mapping[str, str | None], known: Sequence[Known]) -> int:
    """Print the results and how they differ; the exit code."""
    failed = sum(error is not None for error in results.values())
    found = differences(results, known)
    for text in found:
        print(f"FAULT: {text}")
    print(f"{len(results) - failed} tests passed, {failed} failed; {len(found)} are not as listed")
    return 1 if found or not results else 0
