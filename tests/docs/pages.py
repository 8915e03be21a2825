"""The pages of the documentation: where they are, and their tables."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def pages() -> list[Path]:
    """Every page that is held to the code."""
    top = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    return [*top, *sorted((ROOT / "docs").glob("*.md"))]


def section(page: str, title: str) -> str:
    """The text below a heading of the second level, up to the next one."""
    text = (ROOT / page).read_text("utf-8")
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no section {title!r}"
    return found[1]


def tables(text: str) -> list[list[list[str]]]:
    """Each table of the text as its rows of cells, without the titles."""
    blocks = re.findall(r"(?:^\|.*\|\n)+", text + "\n", re.MULTILINE)
    return [
        [[cell.strip() for cell in row.strip("|").split("|")] for row in block.splitlines()[2:]]
        for block in blocks
    ]


def code_words(text: str) -> list[str]:
    """The texts between single backquotes."""
    return re.findall(r"`([^`\n]+)`", text)
