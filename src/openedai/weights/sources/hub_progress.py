"""The progress of downloads by `huggingface_hub`."""

from __future__ import annotations

from typing import Any

from openedai.weights.progress import Progress


class FileProgress:
    """One file of `size` bytes. The library may draw several bars for it, or none at all, so
    the furthest position of any bar counts.
    """

    def __init__(self, size: int, progress: Progress) -> None:
        self._size = size
        self._progress = progress
        self._furthest = 0

    def reached(self, position: int) -> None:
        position = min(position, self._size)
        if position > self._furthest:
            self._progress.advance(position - self._furthest)
            self._furthest = position


def progress_class(file: FileProgress) -> Any:
    """A class that the library takes for its progress bars; it draws nothing."""
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "disable": True})
            file.reached(int(self.n))

        def update(self, n: float | None = 1) -> None:
            self.n += n or 0
            file.reached(int(self.n))

    return Bar
