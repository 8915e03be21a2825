"""A process that pulls one model, prints its steps line by line, and halts at one of them.

Its only argument is JSON: `cache_dir`, `spec`, `package` (with its `links`) and `halt_at`, the
first word of the step after whose first chunk it waits for a line on its standard input.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec

from openedai.config import ModelSpec, Settings
from openedai.weights.library import Library
from openedai.weights.packages import Package
from openedai.weights.sources.base import Access
from tests.weights.fakes.wheels import FakeIndex


class Halting:
    def __init__(self, halt_at: str) -> None:
        self._halt_at = halt_at
        self._step = ""

    def start(self, description: str, total: int | None) -> None:
        self._step = description.partition(" ")[0]
        print("step", self._step, flush=True)
        if total is None:
            self._halt()

    def advance(self, n: int) -> None:
        if n > 0:
            self._halt()

    def _halt(self) -> None:
        if self._step == self._halt_at:
            self._halt_at = ""
            print("halted", flush=True)
            sys.stdin.readline()


def main() -> None:
    order = json.loads(sys.argv[1])
    settings = Settings(_env_file=None, cache_dir=Path(order["cache_dir"]))
    access = None
    if order["package"]:
        package = msgspec.convert(order["package"], type=Package)
        access = Access(packages={"fake": package}, index=FakeIndex(order["links"]))
    spec = ModelSpec(**order["spec"])
    print("path", Library(settings, access).pull(spec, Halting(order["halt_at"])), flush=True)


if __name__ == "__main__":
    main()
