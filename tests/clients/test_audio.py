"""Programs that speak and listen, on the real default models."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.clients.running import run
from tests.support import Running

pytestmark = [pytest.mark.clients, pytest.mark.real, pytest.mark.timeout(1500)]


def test_speech_recognition(real_server: Running, tmp_path: Path) -> None:
    seen = run("speech-recognition", real_server, tmp_path)
    words = re.findall(r"[a-z]+", seen["text"].lower())
    assert words == ["the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog"]
