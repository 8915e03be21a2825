"""Answers of a call that are spoken by the default model for speech."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from openedai.catalog.catalog import Catalog
from openedai.catalog.defaults import SPEECH
from openedai.contract.speak import AudioChunk, AudioFormat, SpeakRequest
from openedai.errors import InvalidRequest, Unsupported, invalid_value
from openedai.serving.audio.speech import Speech
from openedai.serving.call import Call

_SENTENCE = re.compile(r".+?(?:[.!?…]+[\"')\]]*\s|[。！？]|\n)", re.DOTALL)


@dataclass(frozen=True)
class SpokenVoice:
    """A voice in the answer of one call."""

    call: Call[Any]
    speech: Speech
    name: str
    format: AudioFormat

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        """The audio of a text, as it is made; nothing for a text that cannot be spoken, such as
        emoji.

        Raises as `Speech.run` does.
        """
        request = SpeakRequest(text=text, voice=self.name, format=self.format)
        try:
            async with aclosing(self.speech.run(self.call, request)) as events:
                async for event in events:
                    if isinstance(event, AudioChunk):
                        yield event.data
        except InvalidRequest as error:
            if error.param != "input":
                raise


class Speaking:
    def __init__(self, catalog: Catalog, speech: Speech) -> None:
        self._catalog = catalog
        self._speech = speech

    async def voice(self, call: Call[Any], name: str, format: AudioFormat) -> SpokenVoice:
        """A voice for the answer of the call, whose model is loaded now.

        Raises Unsupported without a model for speech, InvalidRequest if it has no such voice, and
        as `Speech.voices` does.
        """
        model = self._catalog.default(SPEECH)
        if model is None:
            raise Unsupported(
                "This server has no model for speech, so it answers with text only.",
                code="unsupported_value",
                param="modalities",
            )
        speaking = call.within(model)
        voices = await self._speech.voices(speaking)
        names = {known for voice in voices for known in (voice.name, *voice.aliases)}
        if name not in names:
            available = ", ".join(sorted(names))
            raise invalid_value("audio.voice", f"there is no voice {name!r}; there is: {available}")
        return SpokenVoice(speaking, self._speech, name, format)


class Sentences:
    """Cuts a text that arrives in deltas into sentences."""

    def __init__(self) -> None:
        self._rest = ""

    def feed(self, text: str) -> list[str]:
        """The sentences that end in this delta."""
        self._rest += text
        complete = [match[0] for match in _SENTENCE.finditer(self._rest)]
        self._rest = self._rest[sum(map(len, complete)) :]
        return [sentence for sentence in complete if sentence.strip()]

    def end(self) -> list[str]:
        """What remains, if anything."""
        rest, self._rest = self._rest, ""
        return [rest] if rest.strip() else []
