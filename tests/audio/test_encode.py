"""Files that are encoded while they are made, read back by FFmpeg."""

from __future__ import annotations

import io
import wave
from typing import get_args

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from openedai.audio.encode import SAMPLE_RATE, open_encoder
from openedai.contract.speak import AudioFormat

FORMATS: tuple[AudioFormat, ...] = get_args(AudioFormat)
CODED = {"mp3": "mp3float", "opus": "opus", "aac": "aac", "flac": "flac", "wav": "pcm_s16le"}
SECONDS = 2.0


def tone() -> NDArray[np.float32]:
    """440 Hz at half of the full scale."""
    times = np.arange(int(SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.5 * np.sin(2 * np.pi * 440 * times)).astype(np.float32)


def encoded(format: AudioFormat, samples: NDArray[np.float32], parts: int) -> list[bytes]:
    encoder = open_encoder(format)
    return [*map(encoder.encode, np.array_split(samples, parts)), encoder.finish()]


def decoded(data: bytes) -> tuple[str, NDArray[np.float32]]:
    """The name of the codec, and the samples at the rate of all files."""
    with av.open(io.BytesIO(data), "r") as container:
        stream = container.streams.audio[0]
        resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        frames = [new for frame in container.decode(stream) for new in resampler.resample(frame)]
        frames += resampler.resample(None)
        return stream.codec_context.name, np.concatenate([one.to_ndarray()[0] for one in frames])


@pytest.mark.parametrize("format", CODED)
def test_the_file_has_the_sound(format: AudioFormat) -> None:
    codec, samples = decoded(b"".join(encoded(format, tone(), 5)))
    assert codec == CODED[format]
    assert len(samples) / SAMPLE_RATE == pytest.approx(SECONDS, abs=0.1)
    middle = samples[SAMPLE_RATE // 2 : SAMPLE_RATE // 2 + SAMPLE_RATE]
    spectrum = np.abs(np.fft.rfft(middle))
    assert np.argmax(spectrum) == 440
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize("format", FORMATS)
def test_bytes_come_as_samples_are_encoded(format: AudioFormat) -> None:
    *chunks, _ = encoded(format, tone(), 4)
    assert all(chunks)


@pytest.mark.parametrize("format", FORMATS)
def test_the_parts_do_not_matter(format: AudioFormat) -> None:
    assert b"".join(encoded(format, tone(), 7)) == b"".join(encoded(format, tone(), 1))


def test_pcm_is_little_endian_and_clipped() -> None:
    samples = np.array([0.0, 1.0, -1.0, 2.0, -2.0, 1 / 32767], np.float32)
    (data, end) = encoded("pcm", samples, 1)
    assert np.frombuffer(data, "<i2").tolist() == [0, 32767, -32767, 32767, -32767, 1]
    assert end == b""


def test_wav_is_read_without_a_length() -> None:
    data = b"".join(encoded("wav", tone(), 3))
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24_000)
        assert len(file.readframes(1 << 20)) == len(data) - 44 == SECONDS * SAMPLE_RATE * 2
