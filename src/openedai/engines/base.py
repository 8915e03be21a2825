"""The contract of every engine: capabilities, requests, events.

An engine knows one loaded model and nothing of HTTP, of model names or of other engines.
It inherits a base class for each ability it has. Its failures are `openedai.errors.APIError`s.
Everything that crosses the contract is a frozen msgspec struct, so that it also crosses a socket.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any, Literal, Self

import msgspec


class Struct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A value of the contract."""


class Message(Struct, frozen=True):
    """One turn of a conversation. `content` is plain text."""

    role: str
    content: str
    name: str | None = None


class Chat(Struct, frozen=True, tag="chat"):
    """A conversation; the engine renders it with the model's own chat template."""

    messages: tuple[Message, ...]


class Text(Struct, frozen=True, tag="text"):
    """A raw prompt, to be tokenised by the engine."""

    text: str


class Tokens(Struct, frozen=True, tag="tokens"):
    """A raw prompt as token ids of the model's own vocabulary."""

    ids: tuple[int, ...]


class Sampling(Struct, frozen=True):
    """How the next token is drawn. None leaves a value to the model's configured defaults."""

    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    seed: int | None = None


class GenerateRequest(Struct, frozen=True):
    """`max_tokens` None means: until the model ends or its context is full."""

    prompt: Chat | Text | Tokens
    sampling: Sampling = Sampling()
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()


class Usage(Struct, frozen=True):
    """Exact token counts. `cached_tokens` of the prompt were not computed again."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


class TextDelta(Struct, frozen=True, tag="text"):
    """A piece of the answer; never empty, always whole characters."""

    text: str


class Finish(Struct, frozen=True, tag="finish"):
    """The last event, always: why the generation ended and what it took."""

    reason: Literal["stop", "length"]
    usage: Usage


GenerateEvent = TextDelta | Finish


class EmbedRequest(Struct, frozen=True):
    """`dimensions` asks for shorter vectors: cut, then normalised again."""

    inputs: tuple[Text | Tokens, ...]
    dimensions: int | None = None


class EmbedResult(Struct, frozen=True):
    """`data` holds the vectors one after the other: little-endian float32, one row an input."""

    data: bytes
    dimensions: int
    prompt_tokens: int


class Engine:
    """One loaded model.

    `slots` is how many requests it works on at once; more are better queued outside.
    """

    slots: int = 1

    @classmethod
    async def load(cls, model: str, path: Path | None, options: Mapping[str, Any]) -> Self:
        """Load the weights at `path` (a file or a folder). `model` is for messages only.

        Raises an APIError, and leaves nothing behind, if that fails.
        """
        raise NotImplementedError

    async def close(self) -> None:
        """End all work and give everything back. Safe to call twice."""

    def memory(self) -> int:
        """Bytes of resident memory that this model takes now, measured."""
        return 0

    async def died(self) -> None:
        """Return when the engine is gone by itself; until then, wait."""
        await asyncio.Event().wait()


class Generator(Engine):
    def generate(self, request: GenerateRequest) -> AsyncGenerator[GenerateEvent, None]:
        """Yield deltas, then one Finish. Closing the iterator cancels the work."""
        raise NotImplementedError


class Embedder(Engine):
    async def embed(self, request: EmbedRequest) -> EmbedResult:
        """Embed every input. Cancelling the call cancels the work."""
        raise NotImplementedError


def usable_cores() -> int:
    """The cores this process may really use: its affinity mask, cut by its cgroup's CPU quota."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(affinity or 1, _cgroup_quota()))


def _cgroup_quota() -> int:
    """Whole cores of CPU bandwidth that the control group allows; a large number if unlimited."""
    unlimited = 1 << 16
    for text in _cgroup_limits():
        quota, _, period = text.partition(" ")
        if quota.lstrip("-").isdigit() and int(quota) > 0 and period.strip().isdigit():
            return max(1, int(quota) // int(period))
    return unlimited


def _cgroup_limits() -> list[str]:
    root = Path("/sys/fs/cgroup")
    found = []
    try:
        own = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    groups = [line.partition("::")[2].lstrip("/") for line in own if line.startswith("0::")]
    for file in [*(root / group / "cpu.max" for group in groups), root / "cpu.max"]:
        if file.is_file():
            found.append(file.read_text().strip())
    v1 = root / "cpu"
    if (v1 / "cpu.cfs_quota_us").is_file():
        quota = (v1 / "cpu.cfs_quota_us").read_text().strip()
        found.append(f"{quota} {(v1 / 'cpu.cfs_period_us').read_text().strip()}")
    return found
