"""The groups of the API, and the rules of pyproject.toml that keep them apart."""

from __future__ import annotations

import ast
import re
import tomllib

from tests.docs.pages import ROOT

LEGACY = "openedai.api.legacy"
CLASS_PATH = re.compile(r"([a-z_.]+):[A-Z]\w+")


def test_every_group_is_in_the_contracts_between_groups() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = {one["name"]: one for one in project["tool"]["importlinter"]["contracts"]}
    independent = contracts["groups of the API do not know each other"]["modules"]
    no_legacy = contracts["groups of the API do not know the older endpoints"]["source_modules"]
    assert set(independent) == set(no_legacy) == groups()


def groups() -> set[str]:
    """The packages that `openedai.api` has endpoints from, without the older ones.

    A package inside another one of them is a part of it.
    """
    tables = (ROOT / "src/openedai/api").glob("*.py")
    nodes = (node for one in tables for node in ast.walk(ast.parse(one.read_text("utf-8"))))
    texts = [str(node.value) for node in nodes if isinstance(node, ast.Constant)]
    modules = {found[1] for text in texts if (found := CLASS_PATH.fullmatch(text))}
    packages = {f"openedai.api.{module.rpartition('.')[0]}" for module in modules}
    parts = {one for one in packages if any(one.startswith(f"{other}.") for other in packages)}
    return packages - parts - {LEGACY}
