"""What clients see of paths."""

from __future__ import annotations

import pytest

from openedai.weights.hidden_folders import without_folders


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("There is no file /home/ann/models/a.gguf.", "There is no file a.gguf."),
        ("[Errno 2] No such file: '/srv/w/b.bin'", "[Errno 2] No such file: 'b.bin'"),
        ("`~/models/c.gguf` (in /var/lib/x)", "`c.gguf` (in x)"),
        (
            "https://pypi.org/simple/x and hf:owner/repo",
            "https://pypi.org/simple/x and hf:owner/repo",
        ),
        ("text/plain, 3/4, a / b, /v1", "text/plain, 3/4, a / b, /v1"),
        ("no file /my models/old ones/d.gguf", "no file d.gguf"),
        ("no file models/ann/e.gguf", "no file e.gguf"),
    ],
)
def test_messages_have_the_names_of_files_only(message: str, shown: str) -> None:
    paths = ["/my models/old ones/d.gguf", "models/ann/e.gguf", "f.gguf", ""]
    assert without_folders(message, paths) == shown
