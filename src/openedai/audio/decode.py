"""Decodes audio files in any container and codec to blocks of samples, so that long files fit in
memory.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

from openedai.errors import InvalidRequest

if TYPE_CHECKING:
    import numpy as np
    from av import AudioFrame, AudioResampler
    from av.container import InputContainer
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

# Containers that have their data in the file itself; others name files and addresses to read.
CONTAINERS = (
    *("aac", "ac3", "aiff", "amr", "asf", "au", "avi", "caf", "eac3", "flac", "flv", "gsm"),
    *("matroska", "webm", "mov", "mp4", "m4a", "3gp", "3g2", "mj2", "mp3", "mpeg", "mpegts", "ogg"),
    *("w64", "wav", "wv"),
)
# At a lower rate a frame would become very long; for a higher one the filter would be very large.
_RATES = range(1000, 768_001)
_MICROSECONDS = 1e6
_ESTIMATE = 1.5  # how much longer the container may claim to be than the file


def decode(
    file: str | BinaryIO, rate: int, *, block: float = 10.0, longest: float | None = None
) -> Generator[Samples, None, None]:
    """The first audio track as blocks of about `block` seconds of mono samples from -1 to 1, at
    `rate` samples a second. The last block may be shorter. Blocking.

    Parts that cannot be decoded are left out, and a truncated file ends where it was cut. Raises
    InvalidRequest for the parameter `file` if there is no audio that can be decoded, or more than
    `longest` seconds of it.
    """
    import numpy as np

    size = round(block * rate)
    waiting: list[Samples] = []
    held = total = 0
    for samples in _samples(file, rate, longest):
        waiting.append(samples)
        held += len(samples)
        total += len(samples)
        if longest is not None and total > longest * rate:
            raise _too_long(longest)
        if held >= size:
            yield np.concatenate(waiting)
            waiting, held = [], 0
    if waiting:
        yield np.concatenate(waiting)
    if not total:
        raise _unreadable()


def _samples(file: str | BinaryIO, rate: int, longest: float | None) -> Iterator[Samples]:
    import av

    options = {"format_whitelist": ",".join(CONTAINERS)}
    try:
        with av.open(file, "r", metadata_errors="ignore", options=options) as container:
            length = (container.duration or 0) / _MICROSECONDS
            if longest is not None and length > longest * _ESTIMATE:
                raise _too_long(longest)
            resampler = _Resampler(rate)
            for frame in _frames(container):
                yield from resampler.resample(frame)
            yield from resampler.end()
    except av.error.FFmpegError:
        raise _unreadable() from None


def _frames(container: InputContainer) -> Iterator[AudioFrame]:
    from av.error import FFmpegError

    if not container.streams.audio:
        raise _unreadable()
    packets = container.demux(container.streams.audio[0])
    # The file was cut, or a part of it begins a track that is missing at its start.
    with suppress(FFmpegError, IndexError):
        for packet in packets:
            with suppress(FFmpegError):
                yield from packet.decode()


class _Resampler:
    """Makes frames mono, even where their rate or channels change."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._resampler: AudioResampler | None = None
        self._setup: tuple[str, str, int] | None = None

    def resample(self, frame: AudioFrame) -> Iterator[Samples]:
        from av import AudioResampler

        if frame.sample_rate not in _RATES:
            raise _unreadable()
        setup = (frame.format.name, frame.layout.name, frame.sample_rate)
        if setup != self._setup:
            yield from self.end()
            self._resampler = AudioResampler(format="flt", layout="mono", rate=self._rate)
            self._setup = setup
        frame.pts = None
        yield from self._parts(frame)

    def end(self) -> Iterator[Samples]:
        """The remaining samples."""
        if self._resampler is not None:
            yield from self._parts(None)

    def _parts(self, frame: AudioFrame | None) -> Iterator[Samples]:
        assert self._resampler is not None
        for part in self._resampler.resample(frame):
            yield part.to_ndarray()[0]


def _unreadable() -> InvalidRequest:
    return InvalidRequest(
        "The audio file could not be decoded or its format is not supported.",
        code="invalid_audio",
        param="file",
    )


def _too_long(longest: float | None) -> InvalidRequest:
    return InvalidRequest(
        f"The audio is longer than the {longest:g} seconds that the model accepts.",
        code="audio_too_long",
        param="file",
    )
