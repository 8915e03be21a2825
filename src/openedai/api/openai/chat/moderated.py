"""Answers that include the scores of the conversation and of the answer, for the parameter
`moderation`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import msgspec

from openedai.api.calls import Renderer
from openedai.api.openai.chat.render import ChatCompletion, ChatCompletionRenderer
from openedai.api.parameters.moderation import (
    ModerationError,
    ModerationResult,
    moderation_result,
)
from openedai.api.parameters.streams import DONE
from openedai.contract.generate import TextDelta
from openedai.contract.moderate import Assessment
from openedai.errors import APIError
from openedai.http.respond import data_frame
from openedai.serving.call import Call
from openedai.serving.moderation import Moderation
from openedai.serving.outcome import Indexed


class ModerationResults(msgspec.Struct):
    model: str
    results: list[ModerationResult]
    type: str = "moderation_results"


Side = ModerationResults | ModerationError


class ModeratedChat(msgspec.Struct):
    input: Side
    output: Side


class ModeratedRenderer:
    """Renders as `renderer` does, with `moderation` at the end. `call` is to the moderation model,
    `conversation` the text of the messages.
    """

    def __init__(
        self,
        renderer: Renderer[Any],
        plain: ChatCompletionRenderer,
        moderation: Moderation,
        call: Call[Any],
        conversation: str,
    ) -> None:
        self._renderer = renderer
        self._plain = plain
        self._moderation = moderation
        self._call = call
        self._conversation = conversation
        self._texts: list[list[str]] = [[] for _ in range(plain.choices)]

    async def whole(self, events: AsyncGenerator[Indexed, None]) -> ChatCompletion:
        answer: ChatCompletion = await self._renderer.whole(self._heard(events))
        answer.moderation = await self._moderated()
        return answer

    async def chunks(self, events: AsyncGenerator[Indexed, None]) -> AsyncGenerator[bytes, None]:
        """The chunk with the scores is the last one."""
        async with aclosing(self._renderer.chunks(self._heard(events))) as frames:
            async for frame in frames:
                if frame == DONE:
                    chunk = self._plain.chunk((), msgspec.UNSET)
                    chunk.moderation = await self._moderated()
                    yield data_frame(chunk)
                yield frame

    async def _heard(self, events: AsyncGenerator[Indexed, None]) -> AsyncGenerator[Indexed, None]:
        """The events; their texts are kept."""
        async with aclosing(events):
            async for index, event in events:
                if isinstance(event, TextDelta):
                    self._texts[index].append(event.text)
                yield index, event

    async def _moderated(self) -> ModeratedChat:
        """The answer exists already, so a failure here is reported in place of the scores."""
        answers = ["".join(deltas) for deltas in self._texts]
        try:
            found = await self._moderation.run(self._call, [self._conversation, *answers])
        except APIError as error:
            failed = ModerationError(error.code or "server_error", error.message)
            return ModeratedChat(failed, failed)
        return ModeratedChat(self._side(found[:1]), self._side(found[1:]))

    def _side(self, assessments: list[Assessment]) -> ModerationResults:
        name = self._call.model.id
        return ModerationResults(name, [moderation_result([one], name) for one in assessments])
