"""`make test-sdk`: the official Python client's own tests, from its source distribution."""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from tests.clients.environments import INSTALL_TIMEOUT, environment, versions
from tests.process.serving import serving
from tests.sandboxes import bubblewrap
from tests.suites.expected import known_failures, report
from tests.suites.fine_tuned import fill

SUITE = Path(__file__).parent / "openai-python"
TIMEOUT = 600  # seconds
# The tests of what this server has, below tests/api_resources. The others need no server, or are of
# what has no routes here: agents, ChatKit, evals, skills, videos, webhooks, and of the organization
# all that takes users, such as groups, invites and roles, certificates, audit logs, and what a
# project may spend, retain and run.
RESOURCES = (
    "admin/organization/projects/service_accounts/test_api_keys.py",
    "admin/organization/projects/test_api_keys.py",
    "admin/organization/projects/test_rate_limits.py",
    "admin/organization/projects/test_service_accounts.py",
    "admin/organization/test_admin_api_keys.py",
    "admin/organization/test_projects.py",
    "admin/organization/test_usage.py",
    "audio/test_speech.py",
    "audio/test_transcriptions.py",
    "audio/test_translations.py",
    "beta/test_assistants.py",
    "beta/test_threads.py",
    "beta/threads/runs/test_steps.py",
    "beta/threads/test_messages.py",
    "beta/threads/test_runs.py",
    "chat/completions/test_messages.py",
    "chat/test_completions.py",
    "containers/files/test_content.py",
    "containers/test_files.py",
    "conversations/test_items.py",
    "fine_tuning/alpha/test_graders.py",
    "fine_tuning/checkpoints/test_permissions.py",
    "fine_tuning/jobs/test_checkpoints.py",
    "fine_tuning/test_jobs.py",
    "responses/test_input_items.py",
    "responses/test_input_tokens.py",
    "test_batches.py",
    "test_completions.py",
    "test_containers.py",
    "test_conversations.py",
    "test_decisions.py",
    "test_embeddings.py",
    "test_files.py",
    "test_images.py",
    "test_models.py",
    "test_moderations.py",
    "test_responses.py",
    "test_uploads.py",
    "test_vector_stores.py",
    "uploads/test_parts.py",
    "vector_stores/test_file_batches.py",
    "vector_stores/test_files.py",
)
# The keys that the client's tests send.
KEY = "My API Key"
ADMIN_KEY = "My Admin API Key"
CONFIG = f"""
api_key = "{ADMIN_KEY}"
api_keys = ["{KEY}"]
chat_model = "echo"
embedding_model = "echo"
builtin_models = false

[[models]]
id = "echo"
engine = "echo"
aliases = [
  "gpt-3.5-turbo-instruct", "gpt-4.1", "gpt-4o-transcribe", "gpt-6-astra", "gpt-image-1.5",
  "gpt-image-2.5-flare", "model", "text-embedding-3-small", "tts-1", "whisper-1",
]

[[models]]
id = "slow"
engine = "echo"
options = {{ delay = 1.0 }}
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="make test-sdk", description=__doc__)
    parser.add_argument("pytest", nargs="*", help="options of pytest, such as -- -k embeddings")
    options = parser.parse_args().pytest
    results = run(options)
    known = known_failures(SUITE / "failing.toml")
    if options:  # which may choose some of the tests
        known = [entry for entry in known if entry.matches(results)]
    return report(results, known)


def run(options: list[str]) -> dict[str, str | None]:
    """The errors of the tests that were run, None of those that passed."""
    pins = SUITE / "requirements.txt"
    home = environment(pins)
    source = _source(home, versions(pins)["openai"])
    with tempfile.TemporaryDirectory() as folder, bubblewrap():
        asyncio.run(fill(Path(folder), KEY))
        with serving(Path(folder), CONFIG, "--log-level", "warning", data=folder) as server:
            return _results(_tested(Path(folder), home, source, f"{server.url}/v1", options))


def _tested(folder: Path, home: Path, source: Path, url: str, options: list[str]) -> Path:
    """The file with the results of the tests against the API at `url`."""
    files = [f"tests/api_resources/{name}" for name in RESOURCES]
    results = folder / "results.xml"
    settings = ("--override-ini=addopts=", f"--junitxml={results}")
    plugins = ("-p", "no:cacheprovider", "-p", "granted")
    output = ("--quiet", "--no-header", "--no-summary", "--tb=no")
    subprocess.run(
        [home / "bin/python", "-m", "pytest", *plugins, *settings, *output, *options, *files],
        check=False,
        cwd=source,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(SUITE),
            "TEST_API_BASE_URL": url,
        },
        timeout=TIMEOUT,
    )
    return results


def _source(home: Path, version: str) -> Path:
    """The unpacked source distribution, kept beside the environment's packages."""
    source = home / f"openai-{version}"
    if not source.exists():
        with tempfile.TemporaryDirectory(dir=home) as folder:
            pip = [str(home / "bin/python"), "-m", "pip", "download", "--quiet", "--no-deps"]
            options = ["--no-binary=openai", "--dest", folder, f"openai=={version}"]
            subprocess.run([*pip, *options], timeout=INSTALL_TIMEOUT, check=True)
            (archive,) = Path(folder).glob("*.tar.gz")
            with tarfile.open(archive) as packed:
                packed.extractall(folder, filter="data")
            (Path(folder) / source.name).rename(source)
    return source


def _results(file: Path) -> dict[str, str | None]:
    results: dict[str, str | None] = {}
    for case in ElementTree.parse(file).iter("testcase"):
        if case.find("skipped") is not None:
            continue
        group = case.get("classname", "").removeprefix("tests.api_resources.")
        failure = case.find("failure")
        problem = failure if failure is not None else case.find("error")
        error = None if problem is None else problem.get("message", "")
        results[f"{group}.{case.get('name')}"] = error
    return results


if __name__ == "__main__":
    sys.exit(main())
