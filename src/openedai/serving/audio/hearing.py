"""The sounds in a call's conversation as text, for models without audio input."""

from __future__ import annotations

import asyncio
import binascii
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openedai.catalog.catalog import Catalog
from openedai.catalog.defaults import TRANSCRIPTION
from openedai.contract.transcribe import TranscribeRequest, TranscriptDelta
from openedai.errors import InvalidRequest, Unsupported, invalid_value
from openedai.serving.audio.transcription import Transcription
from openedai.serving.call import Call

Transcripts = Mapping[str, str]
"""The transcripts of the sounds of a request, by `param` of their references."""


@dataclass(frozen=True)
class SoundRef:
    """A sound in a request: a file in base64. `type_param` is the parameter that says that it is a
    sound.
    """

    data: str
    format: str
    param: str
    type_param: str


class Hearing:
    def __init__(self, catalog: Catalog, transcription: Transcription) -> None:
        self._catalog = catalog
        self._transcription = transcription

    async def transcripts(self, call: Call[Any], refs: Sequence[SoundRef]) -> Transcripts:
        """The transcripts of `refs`, by the default model for transcription.

        Raises InvalidRequest for a sound that cannot be read, Unsupported without such a model, and
        as `Transcription.run` does.
        """
        if not refs:
            return {}
        model = self._catalog.default(TRANSCRIPTION)
        if model is None:
            raise Unsupported(
                "This server has no model for transcription, so it takes no audio.",
                code="unsupported_value",
                param=refs[0].type_param,
            )
        hearing = call.within(model)
        return {ref.param: await self._transcript(hearing, ref) for ref in refs}

    async def _transcript(self, call: Call[Any], ref: SoundRef) -> str:
        path = await asyncio.to_thread(_write, ref)
        call.exchange.cleanup.callback(path.unlink, missing_ok=True)
        request = TranscribeRequest(path=str(path), file_name=f"audio.{ref.format}")
        try:
            async with aclosing(self._transcription.run(call, request)) as events:
                deltas = [one.text async for one in events if isinstance(one, TranscriptDelta)]
        except InvalidRequest as error:
            raise error.renamed({"file": ref.param}) from error
        return "".join(deltas).strip()


def _write(ref: SoundRef) -> Path:
    """Write the sound to a temporary file."""
    try:
        raw = binascii.a2b_base64(ref.data, strict_mode=True)
    except ValueError:
        raise invalid_value(ref.param, "it is not valid base64") from None
    descriptor, path = tempfile.mkstemp(prefix="openedai-sound-")
    with os.fdopen(descriptor, "wb") as file:
        file.write(raw)
    return Path(path)
