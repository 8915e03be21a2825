"""The code blocks of the README and of the other pages are run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from openedai.api import routes
from openedai.cli.commands import app
from openedai.config import ModelSpec, load_settings
from tests.docs.pages import ROOT, code_words, pages, section, tables
from tests.support import Running, ServerThread, echo_settings, fetch

ADDRESS = "http://127.0.0.1:5001"
BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<why>[^\n]+) -->\n)?```(?P<language>\w*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
LANGUAGES = {"bash", "python", "js", "toml", "json", "text"}
NOT_RUN = {
    "README.md": 2,
    "docs/clients.md": 25,
    "docs/containers.md": 2,
    "docs/deployment.md": 3,
    "docs/fine-tuning.md": 1,
    "docs/images.md": 2,
    "docs/keys.md": 2,
    "docs/limits.md": 1,
    "docs/models.md": 4,
    "docs/remote-access.md": 4,
    "docs/tools.md": 3,
    "docs/usage.md": 1,
}

# The models that the pages name, on an engine that answers at once.
NAMED = (
    ModelSpec(id="smollm2-135m-instruct", engine="echo"),
    ModelSpec(id="gemma-3-4b", engine="echo", options={"vision": True}),
    ModelSpec(id="all-mpnet-base-v2", engine="echo", options={"dimensions": 768}),
)


@dataclass(frozen=True)
class Block:
    page: str
    number: int
    language: str
    code: str
    why: str | None

    def __str__(self) -> str:
        return f"{self.page}-{self.number}-{self.language}"


def pages_of_examples() -> list[Path]:
    """All but the measurements, whose commands take long."""
    return [page for page in pages() if page.name != "performance.md"]


def blocks() -> list[Block]:
    return [
        Block(str(page.relative_to(ROOT)), number, found["language"], found["code"], found["why"])
        for page in pages_of_examples()
        for number, found in enumerate(BLOCK.finditer(page.read_text("utf-8")), 1)
    ]


def in_language(*languages: str, page: str = "") -> list[Block]:
    return [
        block
        for block in blocks()
        if block.language in languages and not block.why and page in ("", block.page)
    ]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    settings = echo_settings(
        data=tmp_path_factory.mktemp("data"),
        models=NAMED,
        chat_model="smollm2-135m-instruct",
        embedding_model="all-mpnet-base-v2",
    )
    with ServerThread(settings) as running:
        yield running


def run(block: Block, server: Running, folder: Path) -> None:
    """Run a bash or Python block in `folder`, with the address of `server` in it."""
    (folder / "openedai").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m openedai "$@"\n')
    (folder / "openedai").chmod(0o755)
    (folder / "speech.mp3").write_text("Good morning.")  # which the echo engine hears
    code = block.code.replace(ADDRESS, server.url)
    start = [sys.executable, "-c"] if block.language == "python" else ["bash", "-euc"]
    done = subprocess.run(
        [*start, code],
        cwd=folder,
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert '"error"' not in done.stdout


@pytest.mark.parametrize("block", in_language("bash", "python"), ids=str)
def test_commands_and_programs(block: Block, server: Running, tmp_path: Path) -> None:
    run(block, server, tmp_path)


@pytest.mark.real
@pytest.mark.parametrize("block", in_language("bash", "python", page="README.md"), ids=str)
def test_the_readme_with_real_models(block: Block, real_server: Running, tmp_path: Path) -> None:
    run(block, real_server, tmp_path)


@pytest.mark.parametrize("block", in_language("toml"), ids=str)
def test_configurations(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("OPENEDAI_")]:
        monkeypatch.delenv(name)
    file = tmp_path / "openedai.toml"
    file.write_text(block.code, "utf-8")
    settings = load_settings(file)
    with ServerThread(settings) as running:
        for spec in settings.models:
            names = (spec.id, *spec.aliases) if spec.prefix is None else (f"{spec.prefix}any",)
            for name in names:
                model = json.loads(fetch(f"{running.url}/v1/models/{name}").body)
                assert model["id"] == name


@pytest.mark.parametrize("block", in_language("json"), ids=str)
def test_json(block: Block) -> None:
    json.loads(block.code)


def test_every_block_is_run_or_marked() -> None:
    assert {block.language for block in blocks()} <= LANGUAGES
    assert Counter(block.page for block in blocks() if block.why) == NOT_RUN
    for page in pages_of_examples():
        text = page.read_text("utf-8")
        fences = len(re.findall(r"^\s*```", text, re.MULTILINE))
        assert fences == 2 * len(BLOCK.findall(text)), page
        marks = len(re.findall(r"^<!-- not run:", text, re.MULTILINE))
        assert marks == NOT_RUN.get(str(page.relative_to(ROOT)), 0), page


def test_every_endpoint_is_in_the_table(echo_server: Running) -> None:
    (table,) = tables(section("README.md", "Endpoints"))
    documented = {endpoint for row in table for endpoint in code_words(row[0])}
    served = {
        f"{route.method} {route.path.replace(':path', '')}"
        for route in routes(echo_server.app.state.services)
    }
    assert documented == served | {"GET /docs"}


def commands(command: Any, *names: str) -> Iterator[tuple[str, ...]]:
    """The words of each command below `command` that does something itself."""
    below = getattr(command, "commands", {})
    if not below:
        yield names
    for name, one in below.items():
        yield from commands(one, *names, name)


def test_every_command_is_in_the_table() -> None:
    (table,) = tables(section("README.md", "Commands"))
    documented = {code_words(row[0])[0] for row in table}
    assert documented == {" ".join(command) for command in commands(get_command(app), "openedai")}


def test_link_targets_exist() -> None:
    for page in pages():
        for link in re.findall(r"\]\(([^)#]*)(?:#([\w-]+))?\)", page.read_text("utf-8")):
            target, anchor = link
            if "://" in target:
                continue
            path = page.parent / target if target else page
            assert path.exists(), f"{page.name}: {target}"
            if anchor:
                titles = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE)
                anchors = {re.sub(r"[^\w -]", "", t).lower().replace(" ", "-") for t in titles}
                assert anchor in anchors, f"{page.name}: {target}#{anchor}"
