"""The position of an item in the output, and how it is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec import UNSET, UnsetType

from openedai.api.openai.responses.output import events as e
from openedai.api.openai.responses.output.objects import OutputItem
from openedai.api.parameters.streams import obfuscation


@dataclass(frozen=True)
class Options:
    """`logprobs` come with the text, deltas are padded if `obfuscated`, reasoning is a `summary`,
    and is also `sealed` for the client to send back. The `sources` of searches are shown,
    the `found` parts of files, and the `outputs` of code.
    """

    logprobs: bool = False
    obfuscated: bool = False
    summary: bool = False
    sealed: bool = False
    sources: bool = False
    found: bool = False
    outputs: bool = False


@dataclass(frozen=True)
class Place:
    """Where an item is in the output, and the numbers of events."""

    index: int
    number: Callable[[], int]
    options: Options = field(default_factory=Options)

    def padding(self, text: str) -> str | UnsetType:
        return obfuscation(text) if self.options.obfuscated else UNSET

    def of(self, id: str) -> tuple[int, str, int]:
        """The first fields of an event of the item with this id."""
        return self.number(), id, self.index

    def added(self, item: OutputItem) -> e.Event:
        return e.ItemAdded(self.number(), self.index, item)

    def done(self, item: OutputItem) -> e.Event:
        return e.ItemDone(self.number(), self.index, item)
