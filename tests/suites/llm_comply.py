"""`make test-comply`: llm-comply's tests of Responses, chat completions and Anthropic's messages.

With ours of WebSockets they are all of Open Responses' compliance tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.clients.environments import environment
from tests.process.serving import serving
from tests.suites.expected import known_failures, report
from tests.suites.open_responses import OVER_HTTP, over_websockets

SUITE = Path(__file__).parent / "llm-comply"
TIMEOUT = 300  # seconds
# Models that the suite knows to reason: it skips tests for others.
CONFIG = """
chat_model = "echo"
builtin_models = false

[[models]]
id = "echo"
engine = "echo"
aliases = ["gpt-5", "claude-opus-5"]
options = { vision = true, context = 100000 }
"""
RESPONSES = "open-responses"
FORMATS = {
    RESPONSES: ("--model=gpt-5",),
    "openai-chat": ("--model=gpt-5",),
    "anthropic": (
        "--model=claude-opus-5",
        "--auth-header=x-api-key",
        "--no-bearer",
        "--header=anthropic-version:2023-06-01",
    ),
}


def main() -> int:
    home = environment(SUITE / "requirements.txt")
    (specification,) = home.glob("lib/*/site-packages/llm_comply/specs/openresponses.json")
    results: dict[str, str | None] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder), CONFIG, "--log-level", "warning", data=folder) as server,
    ):
        for format, options in FORMATS.items():
            url = f"--base-url={server.url}/v1"
            command = [f"{home}/bin/llm-comply", "--json", f"--format={format}", url, *options]
            results |= _named(format, _results(command, folder))
        sockets = over_websockets(f"{server.url}/v1", specification)
    results |= _named(RESPONSES, sockets)
    compliant = [f"{RESPONSES}.{name}" for name in (*OVER_HTTP, *sockets)]
    passed = [name for name in compliant if name in results and results[name] is None]
    print(f"{len(passed)} of the {len(compliant)} compliance tests of Open Responses passed")
    return report(results, known_failures(SUITE / "failing.toml"))


def _named(format: str, results: Mapping[str, str | None]) -> dict[str, str | None]:
    """The results of a format, by the names of its tests."""
    return {f"{format}.{name}": error for name, error in results.items()}


def _results(command: list[str], home: str) -> dict[str, str | None]:
    """The errors and warnings of tests, None of those that passed."""
    variables = {"PATH": os.environ["PATH"], "HOME": home, "OPENRESPONSES_API_KEY": "dummy"}
    process = subprocess.run(
        command, check=False, env=variables, timeout=TIMEOUT, stdout=subprocess.PIPE, text=True
    )
    results = {}
    for test in json.loads(process.stdout)["results"]:
        problems = [*test.get("errors", ()), *test.get("warnings", ())]
        results[test["id"]] = "; ".join(problems) or None
    return results


if __name__ == "__main__":
    sys.exit(main())
