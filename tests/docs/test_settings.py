"""docs/settings.md is what the code says."""

from __future__ import annotations

from pathlib import Path

from openedai.engines.registry import ENGINES
from tests.docs.settings_page import OPTIONS, page

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_the_code_says() -> None:
    there = (ROOT / "docs/settings.md").read_text("utf-8")
    assert there == page(), "run scripts/settings-page"


def test_every_engine_has_its_options_on_the_page() -> None:
    assert set(OPTIONS) == set(ENGINES)
