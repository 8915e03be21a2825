"""The groups of the API, and the rules of pyproject.toml that keep them apart."""

from __future__ import annotations

import ast
import inspect
import tomllib

from openedai import api
from tests.docs.pages import ROOT

LEGACY = "openedai.api.legacy"


def test_every_group_is_in_the_contracts_between_groups() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = {one["name"]: one for one in project["tool"]["importlinter"]["contracts"]}
    independent = contracts["groups of the API do not know each other"]["modules"]
    no_legacy = contracts["groups of the API do not know the older endpoints"]["source_modules"]
    assert set(independent) == set(no_legacy) == groups()


def groups() -> set[str]:
    """The packages that `openedai.api` imports endpoints from, without the older ones."""
    imports = ast.walk(ast.parse(inspect.getsource(api)))
    modules = {one.module or "" for one in imports if isinstance(one, ast.ImportFrom)}
    packages = {module.rpartition(".")[0] for module in modules}
    return {name for name in packages if name.startswith("openedai.api.")} - {LEGACY}
