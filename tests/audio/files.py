"""Audio files for tests."""

from __future__ import annotations

import io
import struct

import av
import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


def tone(seconds: float, rate: int, hertz: float = 440.0) -> Samples:
    times = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def wav(samples: Samples, rate: int, channels: int = 1) -> bytes:
    """16 bits; the same in each channel."""
    data = np.repeat((samples * 32767).astype("<i2"), channels).tobytes()
    step = 2 * channels
    head = struct.pack("<IHHIIHH", 16, 1, channels, rate, (rate * step) % (1 << 32), step, 16)
    sizes = struct.pack("<I", 36 + len(data)), struct.pack("<I", len(data))
    return b"RIFF" + sizes[0] + b"WAVEfmt " + head + b"data" + sizes[1] + data


def encoded(samples: Samples, rate: int, container: str, codec: str, coded_rate: int) -> bytes:
    """The samples in any container and codec, mono."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(codec, rate=coded_rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout="mono")
        frame.rate = rate
        format = stream.codec_context.format.name
        resampler = av.AudioResampler(format=format, layout="mono", rate=coded_rate)
        for part in (*resampler.resample(frame), *resampler.resample(None), None):
            file.mux(stream.encode(part))
    return out.getvalue()
