"""Encodes speech as the bytes of an audio file, while it is being made.

All files are mono, with 24,000 samples a second. They can be read while they arrive: nothing in
them depends on their length.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openedai.contract.speak import AudioFormat

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAMPLE_RATE = 24_000
LOUDEST = 32_767  # the largest number of a sample in 16 bits
_UNKNOWN_SIZE = 0xFFFFFFFF


class Encoder:
    """Encodes to 16 bits without a container. Blocking; one call at a time."""

    def encode(self, samples: NDArray[np.float32]) -> bytes:
        """The next bytes of the file; empty if the codec waits for more samples, from -1 to 1."""
        return _as_int16(samples).tobytes()

    def finish(self) -> bytes:
        """The last bytes of the file."""
        return b""


class WavEncoder(Encoder):
    """A RIFF file with the sizes that stand for an unknown length."""

    def __init__(self) -> None:
        self._header = wav_header()

    def encode(self, samples: NDArray[np.float32]) -> bytes:
        header, self._header = self._header, b""
        return header + super().encode(samples)


class CodecEncoder(Encoder):
    """A codec of FFmpeg in a container."""

    def __init__(self, codec: Codec) -> None:
        import av

        self._file = _Written()
        # Bit exact: contains neither anything random nor the version of FFmpeg.
        options = {"flush_packets": "1", "fflags": "+bitexact", **codec.options}
        self._container = av.open(self._file, "w", format=codec.container, options=options)
        stream = self._container.add_stream(codec.name, rate=SAMPLE_RATE, layout="mono")
        assert isinstance(stream, av.AudioStream)
        if codec.bit_rate:
            stream.bit_rate = codec.bit_rate
        self._stream = stream
        self._samples = 0

    def encode(self, samples: NDArray[np.float32]) -> bytes:
        import av

        frame = av.AudioFrame.from_ndarray(_as_int16(samples)[None], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.pts = self._samples
        self._samples += frame.samples
        self._container.mux(self._stream.encode(frame))
        return self._file.take()

    def finish(self) -> bytes:
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._file.take()


@dataclass(frozen=True)
class Codec:
    """An FFmpeg encoder, its container with options, and the bit rate in bits per second."""

    name: str
    container: str
    options: dict[str, str]
    bit_rate: int = 0


CODECS: dict[AudioFormat, Codec] = {
    "mp3": Codec("libmp3lame", "mp3", {"write_xing": "0", "id3v2_version": "0"}, 64_000),
    "opus": Codec("libopus", "ogg", {"page_duration": "200000"}, 32_000),
    "aac": Codec("aac", "adts", {}, 64_000),
    "flac": Codec("flac", "flac", {}),
}


def open_encoder(format: AudioFormat) -> Encoder:
    """An encoder for a file of this format."""
    if codec := CODECS.get(format):
        return CodecEncoder(codec)
    return WavEncoder() if format == "wav" else Encoder()


class _Written:
    """A file that cannot seek. It keeps what was written until that is taken."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._chunks.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        data = b"".join(self._chunks)
        self._chunks.clear()
        return data


def _as_int16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    import numpy as np

    scaled = np.clip(samples, -1.0, 1.0) * LOUDEST
    return np.rint(scaled).astype("<i2")


def wav_header() -> bytes:
    """The header of a file whose length is not known yet."""
    width = 2
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", _UNKNOWN_SIZE, b"WAVE", b"fmt ", 16),
        *(1, 1, SAMPLE_RATE, SAMPLE_RATE * width, width, width * 8),
        *(b"data", _UNKNOWN_SIZE),
    )
