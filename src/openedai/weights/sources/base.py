"""The base class of the sources of weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from openedai.config import ModelSpec
from openedai.engines.registry import engine_entry
from openedai.weights.disk import FreeSpace, free_space
from openedai.weights.download import Downloader
from openedai.weights.index import Index, PipIndex
from openedai.weights.manifest import File
from openedai.weights.packages import Package
from openedai.weights.progress import Progress


def named_projector(spec: ModelSpec) -> str | None:
    """The projector's path as the options of the model give it; None without a projector."""
    option = engine_entry(spec.engine).projector_option
    path = spec.options.get(option) if option else None
    return path if isinstance(path, str) else None


def projector_path(spec: ModelSpec) -> str:
    """The path of the model's projector, relative to the folder of its weights.

    Empty if it has none, or one with a path of its own.
    """
    path = named_projector(spec)
    return "" if path is None or path.startswith(("/", "~")) else path


@dataclass(frozen=True)
class Access:
    """The network access of sources. None leaves a value to `huggingface_hub`."""

    offline: bool = False
    packages: Mapping[str, Package] = field(default_factory=dict)
    index: Index = field(default_factory=PipIndex)
    downloader: Downloader = field(default_factory=Downloader)
    free_space: FreeSpace = free_space
    hub_endpoint: str | None = None
    hub_cache: Path | None = None


@dataclass(frozen=True)
class Staged:
    """The files that a source has put into a folder. `main` is relative to it; `.` is the folder
    itself.

    `files` are those with known hashes.
    """

    main: str
    license: str = ""
    files: tuple[File, ...] = ()


class Source(ABC):
    """The source of the weights of one model, for one engine."""

    @property
    @abstractmethod
    def key(self) -> str:
        """Identifies the weights: it changes when they must be fetched again. It is stored."""

    @abstractmethod
    def stage(self, folder: Path, downloads: Path, progress: Progress) -> Staged:
        """Put the weights into the empty `folder`; keep incomplete downloads in `downloads`.

        Raises an APIError if they are not available.
        """

    def in_place(self) -> Path | None:
        """Weights that are used where they are, without a copy."""
        return None

    def download_size(self) -> int | None:
        """How many bytes to download, if that is known without a request."""
        return None
