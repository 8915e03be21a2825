"""Spoken answers as `chat.completion` objects and chunks."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from openedai.api.openai.chat.audio import spoken_id
from openedai.api.openai.chat.render import (
    AudioDelta,
    AudioObject,
    ChatChoice,
    ChatCompletion,
    ChatCompletionRenderer,
    Spoken,
)
from openedai.contract.generate import Finish, TextDelta
from openedai.serving.audio.speaking import Sentences, SpokenVoice
from openedai.serving.outcome import Indexed

_KEPT_SECONDS = 24 * 3600  # at least; the id says all that is needed to refer to an answer


@dataclass(frozen=True)
class SpokenRenderer:
    """Renders an answer as `renderer` does, with its text as speech."""

    renderer: ChatCompletionRenderer
    voice: SpokenVoice

    async def whole(self, events: AsyncGenerator[Indexed, None]) -> ChatCompletion:
        completion = await self.renderer.whole(events)
        for choice in completion.choices:
            await self._speak(choice)
        return completion

    async def chunks(self, events: AsyncGenerator[Indexed, None]) -> AsyncGenerator[bytes, None]:
        """The transcript as it is generated, and the audio of each sentence after it."""
        async with aclosing(self.renderer.chunks(self._spoken(events))) as frames:
            async for frame in frames:
                yield frame

    async def _spoken(self, events: AsyncGenerator[Indexed, None]) -> AsyncGenerator[Spoken, None]:
        """The events, with deltas of audio instead of those of text."""
        texts: defaultdict[int, list[str]] = defaultdict(list)
        sentences: defaultdict[int, Sentences] = defaultdict(Sentences)
        async with aclosing(events):
            async for index, event in events:
                match event:
                    case TextDelta(text=text):
                        texts[index].append(text)
                        yield index, AudioDelta(transcript=text)
                        complete = sentences[index].feed(text)
                    case Finish():
                        complete = sentences[index].end()
                    case _:
                        complete = []
                for sentence in complete:
                    async with aclosing(self.voice.speak(sentence)) as audio:
                        async for chunk in audio:
                            yield index, AudioDelta(data=base64.b64encode(chunk).decode())
                if isinstance(event, Finish) and texts[index]:
                    id = spoken_id("".join(texts[index]))
                    yield index, AudioDelta(id=id, expires_at=self._expiry())
                if not isinstance(event, TextDelta):
                    yield index, event

    async def _speak(self, choice: ChatChoice) -> None:
        text, message = choice.message.content, choice.message
        if not text:
            return
        async with aclosing(self.voice.speak(text)) as audio:
            data = b"".join([chunk async for chunk in audio])
        message.content = None
        message.audio = AudioObject(
            id=spoken_id(text),
            data=base64.b64encode(data).decode(),
            expires_at=self._expiry(),
            transcript=text,
        )

    def _expiry(self) -> int:
        return self.renderer.created + _KEPT_SECONDS
