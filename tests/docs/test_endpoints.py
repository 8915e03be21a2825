"""docs/endpoints.md agrees with the code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import ROOT, code_words, section

PAGE = "docs/endpoints.md"


def test_the_example_of_a_call_without_http_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", section(PAGE, "Without HTTP"), re.DOTALL)
    settings = {key: value for key, value in os.environ.items() if not key.startswith("OPENEDAI_")}
    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=tmp_path,  # without a configuration
        env=settings,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Good morning Usage(prompt_tokens=")


def test_the_files_it_names_exist() -> None:
    words = code_words((ROOT / PAGE).read_text("utf-8"))
    paths = [word for word in words if re.fullmatch(r"(?:src|docs|tests)/[\w./]*", word)]
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []
