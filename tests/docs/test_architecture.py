"""docs/architecture.md, and what all pages say of files, agree with the repository."""

from __future__ import annotations

import re
import tomllib
from functools import reduce
from importlib import import_module
from pathlib import Path

import pytest

from openedai.engines.registry import ENGINES
from tests.docs.pages import ROOT, code_words, pages, section, tables

PAGE = "docs/architecture.md"
TRACE = "One streamed chat request, file by file"
FOLDERS = ("src/", "tests/", "docs/", "scripts/", "bench/", ".ci/")


def named_functions() -> list[tuple[str, str]]:
    """(path, function) for each function that the trace names behind a path."""
    words = code_words(section(PAGE, TRACE))
    found, path = [], ""
    for word in words:
        if word.endswith(".py"):
            path = word
        elif word.endswith("()"):
            found.append((path, word.removesuffix("()")))
    return found


@pytest.mark.parametrize(("path", "function"), named_functions())
def test_functions_in_the_trace_exist(path: str, function: str) -> None:
    assert (ROOT / "src/openedai" / path).is_file()
    module = import_module("openedai." + path.removesuffix(".py").replace("/", "."))
    found = reduce(getattr, function.split("."), module)
    assert callable(found)
    assert getattr(found, "__module__", None) == module.__name__


def test_the_trace_is_not_empty() -> None:
    assert len({path for path, _ in named_functions()}) > 10


def test_the_layers_are_those_that_are_checked() -> None:
    (block,) = re.findall(r"```text\n(.*?)```", section(PAGE, "Layers"), re.DOTALL)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    assert block.splitlines() == layers


def test_every_package_is_explained() -> None:
    (block,) = re.findall(r"```text\n(.*?)```", section(PAGE, "Layers"), re.DOTALL)
    (table,) = tables(section(PAGE, "Layers"))
    explained = [f"openedai.{code_words(row[0])[0]}" for row in table]
    assert explained == re.findall(r"openedai\.\w+", block)


def test_the_capabilities_of_engines() -> None:
    table = tables((ROOT / "docs/engines.md").read_text("utf-8"))[0]
    listed = {code_words(row[0])[0]: set(code_words(row[3])) for row in table}
    assert listed == {
        name: {capability.__name__ for capability in entry.capabilities}
        for name, entry in ENGINES.items()
    }


# Of spans, which are named like modules.
ATTRIBUTES = re.findall(
    r'"(openedai\.[\w.]+)":',
    (ROOT / "src/openedai/serving/tracing/spans.py").read_text("utf-8"),
)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_paths_and_modules_exist(page: Path) -> None:
    for word in code_words(page.read_text("utf-8")):
        if word.startswith(FOLDERS) and "<" not in word:
            assert (ROOT / word).exists(), word
        if re.fullmatch(r"openedai(\.\w+)+", word) and word not in {"openedai.toml", *ATTRIBUTES}:
            import_module(word)


def test_make_commands_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    (table,) = tables(section("CONTRIBUTING.md", "Commands"))
    documented = {code_words(row[0])[0].removeprefix("make ") for row in table}
    assert documented == targets
