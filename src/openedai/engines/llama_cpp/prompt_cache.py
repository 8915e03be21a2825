"""The computed prompts of a model's slots, kept on disk from an unload to the next load.

    <root>/<model>.prompts/                 for this user only: it holds whole conversations
    <root>/<model>.prompts/<key>-<n>.slot   slot n; another key means other weights

A file is deleted after it was read, so that a broken one does harm only once.
"""

from __future__ import annotations

import hashlib
import logging
import time
from contextlib import suppress
from pathlib import Path
from typing import Self
from urllib.parse import quote

import msgspec

from openedai.engines.llama_cpp.prefixes import Prefixes, Saved
from openedai.errors import EngineFailed

log = logging.getLogger("openedai.engines")

_SAVE_TIMEOUT = 3.0  # seconds; the next slot is not saved after it


class PromptCache:
    """The saved slots of one model with one set of weights. Its methods are blocking."""

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder
        self._key = key

    @classmethod
    def open(cls, root: str, model: str, weights: Path, slots: int, build: str) -> Self:
        """The cache of `model` below `root`; files of other weights, or another build of llama.cpp,
        are deleted.

        Raises EngineFailed if the folder cannot be used.
        """
        folder = Path(root).expanduser().absolute() / f"{quote(model, safe='')}.prompts"
        try:
            cache = cls(folder, _identity(weights, build))
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
            for file in set(folder.glob("*.slot*")) - set(map(cache._file, range(slots))):
                file.unlink()
        except OSError as error:
            raise EngineFailed(f"The prompt cache of the model `{model}`: {error}.") from error
        return cache

    def _file(self, slot: int) -> Path:
        return self.folder / f"{self._key}-{slot}.slot"

    def restore(self, prefixes: Prefixes) -> None:
        """Restore each slot that was saved."""
        decoder = msgspec.msgpack.Decoder(Saved)
        for slot in prefixes.slots():
            file = self._file(slot.number)
            try:
                with suppress(FileNotFoundError):
                    data = bytearray(file.read_bytes())  # a state is a view of it
                    file.unlink()
                    if not prefixes.restore(slot, decoder.decode(data)):
                        log.warning("A kept prompt is of no use: it does not fit the model")
            except (OSError, msgspec.MsgspecError) as error:
                log.warning("A kept prompt is of no use: %s", error)

    def save(self, prefixes: Prefixes) -> None:
        """Save the slots that are not empty, as many as `_SAVE_TIMEOUT` allows."""
        end = time.monotonic() + _SAVE_TIMEOUT
        for slot in prefixes.slots():
            if time.monotonic() > end:
                return
            file = self._file(slot.number)
            unfinished = file.with_name(f"{file.name}.part")
            try:
                if saved := prefixes.save(slot):
                    unfinished.write_bytes(msgspec.msgpack.encode(saved))
                    unfinished.rename(file)
            except OSError as error:
                log.warning("A prompt could not be kept: %s", error)
            finally:
                unfinished.unlink(missing_ok=True)


def _identity(weights: Path, build: str) -> str:
    """The file and the build of llama.cpp, on which the format of a state depends."""
    state = weights.stat()
    text = f"{build} {weights.resolve()} {state.st_size} {state.st_mtime_ns}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
