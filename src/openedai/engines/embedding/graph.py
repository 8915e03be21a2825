"""A model's ONNX graph, run on rows of tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openedai.engines.embedding.batching import Row
from openedai.engines.embedding.threads import RowThreads
from openedai.engines.free_cores import FreeCores
from openedai.errors import EngineFailed, Unavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GRAPHS = ("model.onnx", "onnx/model.onnx")
# The metadata of a graph that computes nothing for padding.
PADDING, SKIPPED = "padding", "skipped"
INPUTS = frozenset({"input_ids", "attention_mask", "token_type_ids"})
# Longer than most waits within a run.
SPIN_MICROSECONDS = 100
# The size of a graph that contains its weights, instead of keeping them in a file that several
# sessions can map.
LARGE_GRAPH = 16 << 20


@dataclass(frozen=True)
class BuiltGraph:
    """A graph that is not a file; its external weights are in `folder`."""

    raw: bytes
    folder: Path


class Graph:
    """Blocking; `run` must be called from one thread.

    Threads that share a run wait for each other at every step, which is slow when other programs
    are busy. So the rows of a batch are divided among as many threads as there are free cores, each
    with its own run. Only if that would leave cores idle do all threads share one run.
    """

    def __init__(
        self,
        file: Path | BuiltGraph,
        device: str,
        threads: int,
        outputs: Sequence[str],
        padding: int,
        free: FreeCores | None = None,
    ) -> None:
        """`threads` is the maximum; `free` tells how many cores are free, which is measured by
        default.

        The output is the first of `outputs` that the graph has, or else its first one. `padding` is
        the id after the end of shorter rows. Raises Unavailable and EngineFailed.
        """
        most = threads if device == "cpu" else 1
        self.threads = RowThreads(most, free or FreeCores(most))
        self.session = _session(file, device, threads)
        self.for_rows: Any = None
        size = file.stat().st_size if isinstance(file, Path) else len(file.raw)
        if self.threads.most > 1 and size < LARGE_GRAPH:
            self.for_rows = _session(file, device, 1, packed=False)
        described = self.session.get_modelmeta().custom_metadata_map
        self.padded = described.get(PADDING) != SKIPPED
        self._padding = padding
        self._inputs = {entry.name for entry in self.session.get_inputs()}
        if not {"input_ids", "attention_mask"} <= self._inputs <= INPUTS:
            raise Unavailable(f"Its ONNX graph takes {', '.join(sorted(self._inputs))}.")
        existing = [entry.name for entry in self.session.get_outputs()]
        self.output = next((name for name in outputs if name in existing), existing[0])

    def run(
        self,
        rows: Sequence[Row],
        finish: Callable[[NDArray[Any], NDArray[np.int64]], NDArray[np.float32]],
    ) -> NDArray[np.float32]:
        """The rows that `finish` makes from the graph's output and the lengths of its rows."""
        lengths = [row.tokens for row in rows]
        parts = self.threads.divide(lengths, padded=self.padded) if self.for_rows else []
        if not parts:
            return finish(*self._outputs(rows, self.session))
        return self.threads.run(
            parts,
            lambda part: finish(*self._outputs([rows[index] for index in part], self.for_rows)),
        )

    def close(self) -> None:
        """End the threads. `run` must not be called again."""
        self.threads.close()

    def _outputs(self, rows: Sequence[Row], session: Any) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """The output, and the length of each row."""
        import numpy as np

        lengths = np.array([row.tokens for row in rows])
        ids = np.full((len(rows), max(1, lengths.max())), self._padding, np.int64)
        types = np.zeros_like(ids)
        for index, row in enumerate(rows):
            ids[index, : row.tokens] = row.content
            if row.second is not None:
                types[index, row.second : row.tokens] = 1
        feeds = {
            "input_ids": ids,
            "attention_mask": (np.arange(ids.shape[1]) < lengths[:, None]).astype(np.int64),
            "token_type_ids": types,
        }
        feeds = {name: feeds[name] for name in self._inputs}
        try:
            (output,) = session.run([self.output], feeds)
        except Exception as error:  # ONNX Runtime's own errors share no other base class
            raise EngineFailed(f"ONNX Runtime failed: {error}") from error
        return output, lengths


def graph_file(*folders: Path) -> Path:
    """The graph in the first of the folders that has one. Raises EngineFailed."""
    for folder in folders:
        for name in GRAPHS:
            if (folder / name).is_file():
                return folder / name
    raise EngineFailed(f"There is no {' or '.join(GRAPHS)} among its files.")


def _session(graph: Path | BuiltGraph, device: str, threads: int, *, packed: bool = True) -> Any:
    """Without `packed`, the weights stay in the mapped file, so that a second session is small.

    It then rearranges them in every run, which costs little in a run of many tokens.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin while they wait are faster within a run, if nobody else needs their cores.
    options.add_session_config_entry("session.intra_op.spin_duration_us", str(SPIN_MICROSECONDS))
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.add_session_config_entry("session.disable_prepacking", "0" if packed else "1")
    options.log_severity_level = 3
    source: str | bytes = str(graph)
    if isinstance(graph, BuiltGraph):
        source = graph.raw
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", str(graph.folder)
        )
    providers = ["CPUExecutionProvider"]
    if device == "cuda":
        providers.insert(0, "CUDAExecutionProvider")
        if providers[0] not in onnxruntime.get_available_providers():
            raise Unavailable("The ONNX Runtime here has no CUDA: pip install onnxruntime-gpu.")
    try:
        session = onnxruntime.InferenceSession(source, options, providers=providers)
    except Exception as error:  # ONNX Runtime's own errors share no other base class
        raise EngineFailed(f"ONNX Runtime cannot load its graph: {error}") from error
    # Without its libraries the provider is left out, with a log line only.
    if providers[0] not in session.get_providers():
        raise Unavailable("ONNX Runtime cannot use CUDA: its CUDA libraries are missing.")
    return session
