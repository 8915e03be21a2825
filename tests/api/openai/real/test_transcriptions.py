"""Speech that the default models make and hear, with the official client."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from openai import OpenAI

from tests.support import Running, occupancy, wait_until

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

SENTENCES = (Path(__file__).parent / "fifty_sentences.txt").read_text("utf-8").splitlines()
TOGETHER = 13  # sentences of a file, which are longer than a window


@pytest.fixture(scope="module")
def spoken(real_server: Running) -> list[bytes]:
    """All sentences, in files of some each."""
    texts = [
        " ".join(SENTENCES[start : start + TOGETHER])
        for start in range(0, len(SENTENCES), TOGETHER)
    ]
    with real_server.client(timeout=300) as client:
        return [
            client.audio.speech.create(model="tts-1", voice="alloy", input=text).content
            for text in texts
        ]


def words_of(text: str) -> list[str]:
    kept = "".join(char for char in text.lower() if char.isalpha() or char in "' ")
    return kept.split()


def errors(spoken: Sequence[str], heard: Sequence[str]) -> int:
    """The fewest words to insert, delete or replace that make one the other."""
    row = list(range(len(heard) + 1))
    for count, word in enumerate(spoken, 1):
        above, row = row, [count]
        for column, other in enumerate(heard, 1):
            replaced = above[column - 1] + (word != other)
            row.append(min(replaced, above[column] + 1, row[-1] + 1))
    return row[-1]


def test_errors_of_words() -> None:
    assert errors(["a", "b", "c", "d"], ["a", "b", "c", "d"]) == 0
    assert errors(["a", "b", "c", "d"], ["a", "x", "c"]) == 2
    assert errors([], ["a"]) == errors(["a"], []) == 1


def test_less_than_five_of_a_hundred_words_are_wrong(
    real_client: OpenAI, spoken: list[bytes]
) -> None:
    heard = [
        real_client.audio.transcriptions.create(
            model="whisper-1", file=("speech.mp3", file), response_format="verbose_json"
        )
        for file in spoken
    ]
    expected = words_of(" ".join(SENTENCES))
    wrong = errors(expected, words_of(" ".join(one.text for one in heard)))
    assert wrong / len(expected) < 0.05
    assert max(one.duration for one in heard) > 30
    for one in heard:
        assert one.language == "english"
        times = [time for part in one.segments or [] for time in (part.start, part.end)]
        assert times == sorted(times)
        assert times[-1] == pytest.approx(one.duration, abs=2)


def test_a_stream_begins_before_the_audio_ends(
    real_server: Running, real_client: OpenAI, spoken: list[bytes]
) -> None:
    """The rest is not computed when the client has left, and its file is deleted."""
    uploads = Path(tempfile.gettempdir())
    before = set(uploads.glob("openedai-upload-*"))
    stream = real_client.audio.transcriptions.create(
        model="whisper-1", file=("speech.mp3", b"".join(spoken)), stream=True, language="en"
    )
    with stream:
        first = next(iter(stream))
        assert first.type == "transcript.text.delta"
        assert first.delta.startswith("The quick brown fox")
        assert occupancy(real_server, "whisper-base") == (1, 0)
    wait_until(lambda: occupancy(real_server, "whisper-base") == (0, 0))
    wait_until(lambda: set(uploads.glob("openedai-upload-*")) <= before)
