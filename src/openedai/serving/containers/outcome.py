"""The outcome of running code in a container."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from openedai.sandbox.box import Ran
from openedai.store.containers import ContainerFile


@dataclass(frozen=True)
class CodeOutcome:
    """`files` were made or changed, `notes` are for the model. `failed` is why the code did not run
    to its end; None if it did.
    """

    ran: Ran = field(default_factory=lambda: Ran(""))
    files: tuple[ContainerFile, ...] = ()
    notes: Sequence[str] = ()
    failed: str | None = None

    @property
    def logs(self) -> str:
        """What the code wrote, its value and its error."""
        return "\n".join(filter(None, self._logs()))

    @property
    def tool_output(self) -> str:
        """What the model reads."""
        shown = len(self.ran.images)
        parts = [
            *self._logs(),
            f"Error: {self.failed}" if self.failed else "",
            f"The user sees {shown} image{'s' if shown > 1 else ''}." if shown else "",
            *(f"The file {file.path} was written." for file in self.files),
            *self.notes,
        ]
        return "\n".join(filter(None, parts)) or "The code has run. It wrote nothing."

    def _logs(self) -> Iterator[str]:
        ran = self.ran
        yield ran.text.rstrip("\n")
        if ran.cut:
            yield f"({ran.cut} more bytes were left out.)"
        yield ran.value or ""
        yield (ran.error or "").rstrip("\n")
