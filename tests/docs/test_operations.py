"""The pages on operations, security, models and embeddings agree with the code."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from openedai.catalog.builtin import BUILTIN_MODELS
from openedai.config import Settings
from openedai.weights.packages import builtin_packages
from tests.docs.pages import ROOT, code_words, section, tables
from tests.support import Running, ServerThread, echo_settings, fetch


def test_every_metric_is_listed_with_its_labels(tmp_path: Path) -> None:
    body = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
    settings = echo_settings(data=tmp_path, usage=True, metrics_by="project")
    with ServerThread(settings) as server:
        fetch(f"{server.url}/v1/chat/completions", "POST", json=body)
        fetch(f"{server.url}/v1/images/generations", "POST", json={"prompt": "a cat"})
        text = fetch(f"{server.url}/metrics").body.decode()
    exported: dict[str, set[str]] = {}
    for series, labels in re.findall(r"^(\w+)(?:\{(.*)\})? ", text, re.MULTILINE):
        name = re.sub(r"_(bucket|count|sum)$", "", series)
        if not name.endswith("_created"):
            exported[name] = set(re.findall(r'(\w+)="', labels)) - {"le"} | exported.get(
                name, set()
            )
    (table,) = tables(section("docs/operations.md", "Metrics"))
    listed = {code_words(row[0])[0]: set(re.findall(r"\w+", row[1])) for row in table}
    assert listed == exported


def test_the_built_in_models_are_listed() -> None:
    (table,) = tables(section("docs/models.md", "Built-in models"))
    packages = builtin_packages()
    expected = [
        [
            f"`{spec.id}`",
            spec.engine,
            f"{packages[spec.id].download_size / 1e6:.0f} MB" if spec.source else "none",
            spec.license or packages[spec.id].license,
        ]
        for spec in BUILTIN_MODELS
    ]
    assert table == expected


def test_documented_settings_exist() -> None:
    words = set(code_words((ROOT / "docs/security.md").read_text("utf-8")))
    documented = {
        word for word in words if re.fullmatch(r"(max|allowed|cors|receive|send)_\w+", word)
    }
    assert documented
    assert documented <= {field.name for field in dataclasses.fields(Settings)}


@pytest.mark.real
def test_the_embedding_models_are_as_listed(real_server: Running) -> None:
    (table,) = tables(section("docs/embeddings.md", "Models"))
    for name, dimensions, tokens, _ in table:
        body: dict[str, Any] = {"model": name.strip("`"), "input": "word " * 1000}
        answer = real_server.client(timeout=300).embeddings.create(**body)
        assert len(answer.data[0].embedding) == int(dimensions)
        assert answer.usage.prompt_tokens == int(tokens)
