"""`make test-comply`: llm-comply's tests of chat completions and of Anthropic's messages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.clients.environments import environment
from tests.process.serving import serving
from tests.suites.expected import known_failures, report

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
FORMATS = {
    "openai-chat": ("--model=gpt-5",),
    "anthropic": (
        "--model=claude-opus-5",
        "--auth-header=x-api-key",
        "--no-bearer",
        "--header=anthropic-version:2023-06-01",
    ),
}


def main() -> int:
    program = environment(SUITE / "requirements.txt") / "bin/llm-comply"
    results: dict[str, str | None] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder), CONFIG, "--log-level", "warning", data=folder) as server,
    ):
        for format, options in FORMATS.items():
            url = f"--base-url={server.url}/v1"
            command = [str(program), "--json", f"--format={format}", url, *options]
            results |= _results(format, command, folder)
    return report(results, known_failures(SUITE / "failing.toml"))


def _results(format: str, command: list[str], home: str) -> dict[str, str | None]:
    """The errors and warnings of the tests of a format, None of those that passed."""
    variables = {"PATH": os.environ["PATH"], "HOME": home, "OPENRESPONSES_API_KEY": "dummy"}
    process = subprocess.run(
        command, check=False, env=variables, timeout=TIMEOUT, stdout=subprocess.PIPE, text=True
    )
    results = {}
    for test in json.loads(process.stdout)["results"]:
        problems = [*test.get("errors", ()), *test.get("warnings", ())]
        results[f"{format}.{test['id']}"] = "; ".join(problems) or None
    return results


if __name__ == "__main__":
    sys.exit(main())
