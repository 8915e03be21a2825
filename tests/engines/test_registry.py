from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

import openedai
from openedai.contract.engine import (
    Directory,
    Embedder,
    Engine,
    Generator,
    ImageMaker,
    Reranker,
    Speaker,
)
from openedai.engines.registry import (
    ENGINES,
    SECRET_OPTIONS,
    capabilities_of,
    default_capabilities_of,
    engine_class,
    engine_entry,
    engine_for_unlisted,
    generator_traits,
)
from openedai.errors import Unavailable

SOURCE = Path(openedai.__file__).parent
CAPABILITIES = frozenset(
    one for one in Engine.__subclasses__() if one.__module__ == Engine.__module__
)


@pytest.mark.parametrize("name", ENGINES)
def test_an_entry_states_the_capabilities_of_its_class(name: str) -> None:
    inherited = {base for base in CAPABILITIES if issubclass(engine_class(name), base)}
    assert engine_entry(name).capabilities == inherited


def test_a_model_may_declare_fewer_capabilities() -> None:
    every = capabilities_of("upstream", {})
    assert (
        every
        == engine_entry("upstream").capabilities
        == capabilities_of("upstream", {"capabilities": []})
    )
    assert default_capabilities_of("upstream", {}) == {Generator, Embedder, Directory}
    declared = {"capabilities": ["speech", "image", "nonsense"]}
    for known in (capabilities_of, default_capabilities_of):
        assert known("upstream", declared) == {Speaker, ImageMaker, Directory}
        assert known("echo", declared) == engine_entry("echo").capabilities
    assert generator_traits("upstream", {}) is not None
    assert generator_traits("upstream", declared) is None


def test_unlisted_models_have_one_engine_for_each_capability() -> None:
    unlisted = Counter(entry.runs_unlisted for entry in ENGINES.values() if entry.runs_unlisted)
    assert unlisted == {Generator: 1, Embedder: 1, Reranker: 1}
    for capability in unlisted:
        entry = engine_entry(engine_for_unlisted(capability))
        assert capability in entry.capabilities
        assert entry.weight_files is not None


def test_secrets_are_hidden_for_every_engine() -> None:
    assert engine_entry("upstream").secret_options <= SECRET_OPTIONS


def test_an_unknown_engine() -> None:
    with pytest.raises(Unavailable, match=r"no engine `warp`\. Known engines: a1111, .*echo"):
        engine_class("warp")


def test_only_the_registry_and_the_builtin_models_name_engines() -> None:
    """Everything else asks the engine's entry. `echo` is a parameter of the API too."""
    names = ENGINES.keys() - {"echo"}
    found = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and node.value in names
    }
    assert found == {"catalog/builtin.py", "engines/registry.py"}
