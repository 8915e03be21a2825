"""The parts of the server that fine-tuning jobs use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from openedai.catalog.catalog import Catalog
from openedai.http.dialect import Dialect
from openedai.scheduling.pool import ModelPool
from openedai.serving.fine_tuning.models import TunedModels
from openedai.serving.models.downloads import Downloads
from openedai.serving.usage.ends import Ends
from openedai.store.files import Files
from openedai.store.fine_tuning import FineTuningRecords
from openedai.store.store import Store
from openedai.weights.library import Library


@dataclass(frozen=True)
class TrainingParts:
    """`folder` is for the files of running jobs, `threads` are those of a process that trains."""

    store: Store
    records: FineTuningRecords
    files: Files
    pool: ModelPool
    catalog: Catalog
    tuned: TunedModels
    library: Library
    downloads: Downloads
    folder: Path
    threads: int
    dialect: Dialect
    ends: Ends
