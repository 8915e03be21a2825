"""Ends a torch computation from another thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Stopped(BaseException):
    """The computation was ended. No library catches it by accident."""


class Brake:
    """Checked before each layer of the modules that it is attached to.

    So a computation ends within the time of one layer, also inside a step of denoising. `layers`
    counts them.
    """

    def __init__(self) -> None:
        self.layers = 0
        self._stop: threading.Event | None = None

    def attach(self, module: Any) -> None:
        """Attach the brake to a torch module, permanently."""
        for layer in module.modules():
            layer.register_forward_pre_hook(self._before)

    @contextmanager
    def by(self, stop: threading.Event) -> Iterator[None]:
        """While this is open, computations raise Stopped once `stop` is set."""
        self._stop = stop
        try:
            self.check()
            yield
        finally:
            self._stop = None

    def check(self) -> None:
        """Raise Stopped if the computation is to end."""
        if self._stop is not None and self._stop.is_set():
            raise Stopped

    def _before(self, layer: Any, arguments: Any) -> None:
        self.layers += 1
        self.check()
