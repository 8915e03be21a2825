"""Sounds at another speed, and at another sample rate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from av.filter import Graph
    from numpy.typing import NDArray


def at_tempo(samples: NDArray[np.float32], rate: int, factor: float) -> NDArray[np.float32]:
    """The samples `factor` times as fast, with their pitch unchanged; from 0.5 to 2."""
    import av
    import numpy as np
    from av.filter import Graph

    if factor == 1.0 or not samples.size:
        return samples
    graph = Graph()
    source = graph.add_abuffer(sample_rate=rate, format="flt", layout="mono")
    graph.link_nodes(source, graph.add("atempo", str(factor)), graph.add("abuffersink")).configure()
    frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
    frame.sample_rate = rate
    graph.push(frame)
    graph.push(None)
    return np.concatenate([samples[:0], *_pulled(graph)])


def _pulled(graph: Graph) -> Iterator[NDArray[np.float32]]:
    import av

    while True:
        try:
            frame = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        assert isinstance(frame, av.AudioFrame)
        yield frame.to_ndarray()[0].astype("f4", copy=False)


def resampled(samples: NDArray[np.float32], rate: int, to: int) -> NDArray[np.float32]:
    """The samples at another sample rate."""
    import av
    import numpy as np

    if rate == to or not samples.size:
        return samples
    frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
    frame.sample_rate = rate
    resampler = av.AudioResampler(format="flt", layout="mono", rate=to)
    frames = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([one.to_ndarray()[0] for one in frames]).astype(np.float32, copy=False)
