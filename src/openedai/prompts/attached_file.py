"""How a model is shown a file of a conversation."""

from __future__ import annotations

import json


def attached_file(name: str, text: str) -> str:
    """The text of a file between lines that have its name; it begins and ends with a new line."""
    return f"\n<file name={json.dumps(name, ensure_ascii=False)}>\n{text}\n</file>\n"
