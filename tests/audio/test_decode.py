"""Audio files of every kind to samples; broken and hostile ones."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from openedai.audio.decode import decode
from openedai.errors import InvalidRequest
from tests.audio.files import encoded, tone, wav

RATE = 16_000
FORMATS = {
    "wav": ("wav", "pcm_s16le", 24_000),
    "float wav": ("wav", "pcm_f32le", 44_100),
    "µ-law wav": ("wav", "pcm_mulaw", 8_000),
    "96 kHz": ("flac", "flac", 96_000),
    "mp3": ("mp3", "libmp3lame", 24_000),
    "m4a": ("ipod", "aac", 44_100),
    "mp4": ("mp4", "aac", 48_000),
    "aac": ("adts", "aac", 24_000),
    "ogg": ("ogg", "libopus", 48_000),
    "webm": ("webm", "libopus", 48_000),
    "matroska": ("matroska", "ac3", 48_000),
    "aiff": ("aiff", "pcm_s16be", 22_050),
    "mpegts": ("mpegts", "mp2", 48_000),
}


def samples_of(file: bytes, **options: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.concatenate([*decode(io.BytesIO(file), RATE, **options)])


def pitch(samples: np.ndarray[tuple[int], np.dtype[np.float32]]) -> float:
    """The loudest frequency, in Hz."""
    spectrum = np.abs(np.fft.rfft(samples))
    return float(spectrum.argmax() * RATE / len(samples))


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_the_same_sound(name: str) -> None:
    file = encoded(tone(2.0, 24_000), 24_000, *FORMATS[name])
    samples = samples_of(file)
    assert len(samples) / RATE == pytest.approx(2.0, abs=0.15)
    assert pitch(samples) == pytest.approx(440, abs=2)
    middle = samples[RATE // 2 : RATE]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), abs=0.02)


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 7, 8])
def test_channels_are_mixed(channels: int) -> None:
    samples = samples_of(wav(tone(1.0, RATE), RATE, channels))
    assert len(samples) == RATE
    assert pitch(samples) == pytest.approx(440, abs=2)


def test_blocks_have_about_the_requested_length() -> None:
    blocks = [*decode(io.BytesIO(wav(tone(5.0, RATE), RATE)), RATE, block=1.0)]
    assert len(blocks) > 3
    assert all(RATE <= len(block) < 2 * RATE for block in blocks[:-1])
    assert sum(map(len, blocks)) == 5 * RATE


@pytest.mark.parametrize("name", ["wav", "mp3", "aac", "ogg", "webm", "96 kHz", "mpegts"])
def test_a_file_that_was_cut_ends_there(name: str) -> None:
    file = encoded(tone(4.0, 24_000), 24_000, *FORMATS[name])
    samples = samples_of(file[: len(file) // 2])
    assert 0.5 < len(samples) / RATE < 3.9


def test_damaged_parts_are_left_out() -> None:
    file = bytearray(encoded(tone(8.0, 24_000), 24_000, *FORMATS["mp3"]))
    middle = len(file) // 2
    file[middle : middle + 2000] = bytes(range(250)) * 8
    samples = samples_of(bytes(file))
    assert 6 < len(samples) / RATE < 8.2
    assert pitch(samples) == pytest.approx(440, abs=2)


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"no audio" * 1000,
        wav(tone(0.0, RATE), RATE),
        wav(tone(1.0, RATE), RATE)[:30],
        wav(tone(1.0, RATE), 0),
        wav(tone(1.0, RATE), 1),
        wav(tone(1.0, RATE), 900_000_000),
        wav(tone(0.1, RATE), RATE, channels=100),
        b"\x89PNG\r\n\x1a\n" + bytes(100),
    ],
    ids=[
        "empty",
        "text",
        "no samples",
        "half a header",
        "no rate",
        "a low rate",
        "a high rate",
        "100 channels",
        "a picture",
    ],
)
def test_files_without_audio_are_refused(file: bytes) -> None:
    with pytest.raises(InvalidRequest) as failed:
        samples_of(file)
    assert (failed.value.code, failed.value.param) == ("invalid_audio", "file")
    assert failed.value.__cause__ is None


@pytest.mark.parametrize(
    "playlist",
    [
        "ffconcat version 1.0\nfile {file}\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{file}\n#EXT-X-ENDLIST\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
    ],
    ids=["concat", "hls", "sdp"],
)
def test_files_that_name_other_files_are_refused(tmp_path: Path, playlist: str) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(wav(tone(1.0, RATE), RATE))
    named = tmp_path / "upload"
    named.write_text(playlist.format(file=secret))
    for file in (str(named), io.BytesIO(named.read_bytes())):
        with pytest.raises(InvalidRequest, match="could not be decoded"):
            list(decode(file, RATE))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="could not be decoded"):
        list(decode(str(tmp_path / "nothing"), RATE))


def test_longer_audio_than_allowed_is_refused() -> None:
    file = wav(tone(3.0, RATE), RATE)
    assert len(samples_of(file, longest=3.0)) == 3 * RATE
    for longest in (1.0, 2.9):
        with pytest.raises(InvalidRequest, match=f"longer than the {longest:g} seconds"):
            samples_of(file, longest=longest)
