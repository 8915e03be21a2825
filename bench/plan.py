"""What one run of the benchmark measures, and against whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum
from pathlib import Path

from rich.console import Console

from bench.figures import Figure
from bench.load.client import Target
from bench.peers import section as peers
from bench.peers.installed import Environments
from bench.scale import Scale
from bench.sections import (
    batches,
    decisions,
    idle,
    leaving,
    limits,
    long,
    overhead,
    responses,
    start,
    text,
    together,
    usage,
)
from bench.sections.audio import section as audio
from bench.sections.embeddings import section as embeddings
from bench.sections.training import section as training
from bench.sections.vector_stores import section as vector_stores
from bench.sections.vector_stores.searches import CHROMA, OGX
from bench.soak import section as soak
from bench.soak.clients import Load

PEERS = Path(__file__).parents[1] / ".venv-peers"


class Section(StrEnum):
    TEXT = "text"
    TOGETHER = "together"
    START = "start"
    LONG = "long"
    DECISIONS = "decisions"
    EMBEDDINGS = "embeddings"
    AUDIO = "audio"
    OVERHEAD = "overhead"
    LIMITS = "limits"
    BATCHES = "batches"
    RESPONSES = "responses"
    VECTOR_STORES = "vector-stores"
    IDLE = "idle"
    USAGE = "usage"
    LEAVING = "leaving"
    TRAINING = "training"
    PEERS = "peers"
    SOAK = "soak"


# Run only when asked for: these have tables of their own, and the training needs torch.
APART = frozenset({Section.PEERS, Section.SOAK})
ASKED_FOR = APART | {Section.TRAINING}
# What a run without named sections measures.
DEFAULT = tuple(one for one in Section if one not in ASKED_FOR)


@dataclass(frozen=True)
class Plan:
    """The sections to run. Peers are given by the Python of an environment that has them.

    `versions` collects the versions of the peers while the sections run.
    """

    sections: Sequence[Section]
    scale: Scale
    _: KW_ONLY
    model: str | None = None
    others: Sequence[Target] = ()
    embedders: Mapping[str, Path] = field(default_factory=dict)
    litellm: Path | None = None
    ogx: Path | None = None
    chroma: Path | None = None
    indexes: Path | None = None
    trl: Path | None = None
    environments: Environments = field(default_factory=lambda: Environments(PEERS))
    install: bool = False
    load: Load = field(default_factory=Load)
    busy: int = 0
    versions: dict[str, str] = field(default_factory=dict)

    async def run(self, section: Section, console: Console) -> list[Figure]:
        match section:
            case Section.TEXT:
                async with text.targets(self.model, self.others) as (targets, pid):
                    return await text.measure(targets, pid, self.scale)
            case Section.TOGETHER:
                return await together.measure(self.model, self.scale)
            case Section.START:
                return await start.measure(self.model, self.scale)
            case Section.LONG:
                return await long.measure(self.model, self.scale)
            case Section.DECISIONS:
                return await decisions.measure(self.model, self.scale)
            case Section.EMBEDDINGS:
                return await embeddings.measure(self.scale, self.embedders, self.versions)
            case Section.AUDIO:
                return await audio.measure(self.scale, self.versions)
            case Section.OVERHEAD:
                return await overhead.measure(self.scale, self.litellm)
            case Section.LIMITS:
                return await limits.measure(self.scale)
            case Section.BATCHES:
                return await batches.measure(self.model, self.scale)
            case Section.RESPONSES:
                return await responses.measure(self.model, self.scale, self.ogx)
            case Section.VECTOR_STORES:
                pythons = {CHROMA: self.chroma, OGX: self.ogx}
                found = {name: python for name, python in pythons.items() if python}
                return await vector_stores.measure(self.scale, found, self.indexes, self.versions)
            case Section.IDLE:
                return await idle.measure(self.scale)
            case Section.USAGE:
                return await usage.measure(self.scale)
            case Section.LEAVING:
                return await leaving.measure(self.model, self.scale)
            case Section.TRAINING:
                kept = self.environments.folder
                return await training.measure(self.model, self.scale, self.trl, kept, self.versions)
            case Section.PEERS:
                request = peers.Request(self.environments, self.install, self.model, self.scale)
                return await peers.measure(request, self.versions, console)
            case Section.SOAK:
                return await soak.measure(self.model, self.load, console)
