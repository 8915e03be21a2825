"""The package index, through the user's own pip and its configuration."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from openedai.errors import Unavailable

PIP_TIMEOUT = 1800.0
# Only wheels, so that no package's code runs, for whatever version of Python.
WHEELS_ONLY = ("--only-binary", ":all:", "--no-deps", "--ignore-requires-python")


class Index(Protocol):
    """Wheels by requirement: `name==version`."""

    def resolve(self, requirements: Sequence[str]) -> Mapping[str, str]:
        """The address of each requirement's wheel. Raises Unavailable if one is missing."""

    def fetch(self, requirement: str, folder: Path) -> Path:
        """Download one wheel into `folder` with the index's own client."""


class PipIndex:
    """pip, which knows the user's index, mirrors, proxies, certificates and passwords."""

    def resolve(self, requirements: Sequence[str]) -> dict[str, str]:
        options = ("install", "--dry-run", "--ignore-installed", "--report", "-")
        report = json.loads(_pip(*options, *WHEELS_ONLY, *requirements))
        links = {
            _canonical(item["metadata"]["name"]): str(item["download_info"]["url"])
            for item in report["install"]
        }
        return {
            requirement: links[_canonical(requirement.partition("==")[0])]
            for requirement in requirements
        }

    def fetch(self, requirement: str, folder: Path) -> Path:
        _pip("download", "--dest", str(folder), *WHEELS_ONLY, requirement)
        name = _canonical(requirement.partition("==")[0])
        for wheel in folder.glob("*.whl"):
            if _canonical(wheel.name.partition("-")[0]) == name:
                return wheel
        raise Unavailable(f"pip did not download {requirement}.")


def _pip(*arguments: str) -> bytes:
    """The standard output of pip. Raises Unavailable with its error message."""
    command = [sys.executable, "-m", "pip", "--quiet", "--no-input", "--disable-pip-version-check"]
    try:
        done = subprocess.run(
            [*command, *arguments], capture_output=True, check=False, timeout=PIP_TIMEOUT
        )
    except subprocess.TimeoutExpired:
        raise Unavailable("The package index did not answer in time.") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        message = next((line for line in lines if line.startswith("ERROR")), (lines or ["?"])[-1])
        raise Unavailable(f"The package index cannot be used: pip reported: {message}")
    return done.stdout


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
