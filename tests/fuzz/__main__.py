"""`make fuzz`: random requests to every route, and what must hold whatever they are."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
from pathlib import Path

from openedai.catalog.catalog import Catalog
from openedai.config import Settings
from openedai.weights.library import Library
from openedai.weights.progress import NoProgress
from tests.fuzz.cases import Cases
from tests.fuzz.run import Report, Run, exchange
from tests.fuzz.targets import (
    ECHO_CONFIG,
    ECHO_MODELS,
    REAL_MODELS,
    all_targets,
    real_config,
    real_targets,
)
from tests.process.serving import serving

FLAGS = ("--log-level", "warning")
SETTINGS = {"offline": "true", "receive_timeout": 2, "cors_origins": '["https://page.example"]'}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000, help="how many requests")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=int, default=0, help="the number of the first one")
    parser.add_argument("--real", action="store_true", help="to the default chat model")
    parser.add_argument("--show", type=int, metavar="NUMBER", help="one request and its answer")
    given = parser.parse_args()
    logging.basicConfig(level="INFO", format="%(asctime)s %(message)s")
    report = fuzz(given.seed, given.start, given.cases, real=given.real, show=given.show)
    _print(report)
    return 1 if report.faults else 0


def fuzz(
    seed: int, start: int, count: int, *, real: bool = False, show: int | None = None
) -> Report:
    targets, models = (real_targets, REAL_MODELS) if real else (all_targets, ECHO_MODELS)
    config = real_config(_weights()) if real else ECHO_CONFIG
    cases = Cases(seed, targets(), models)
    with tempfile.TemporaryDirectory() as folder:
        unknown = "warn" if seed % 2 == 0 else "refuse"
        settings = {**SETTINGS, "data": folder, "unknown_parameters": unknown}
        with serving(Path(folder), config, *FLAGS, **settings) as server:
            run = Run(server, cases, timeout=120 if real else 20)
            if show is not None:
                case = cases.case(show)
                print(*case.parts, sep="\n")
                print(asyncio.run(exchange(int(server.url.rpartition(":")[2]), case)))
                print(*server.log)
                return run.report
            return asyncio.run(run.run(range(start, start + count)))


def _weights() -> Path:
    settings = Settings(_env_file=None)
    spec = Catalog(settings).resolve("smollm2-135m-instruct").spec
    path = Library(settings).pull(spec, NoProgress())
    assert path is not None
    return path


def _print(report: Report) -> None:
    memory = [size >> 20 for size in report.memory][:: max(1, len(report.memory) // 20)]
    print(f"{report.cases} requests; by status: {dict(sorted(report.statuses.items()))}")
    print(f"memory in MiB: {memory}; slowest: {report.slowest[0]:.2f} s, {report.slowest[1]}")
    for number, text in report.faults:
        print(f"FAULT {number}: {text}")


if __name__ == "__main__":
    sys.exit(main())
