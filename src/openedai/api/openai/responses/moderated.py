"""The scores of a conversation and of its answer, for the parameter `moderation`."""

from __future__ import annotations

from openedai.api.openai.responses.output.objects import ResponseModeration
from openedai.api.openai.responses.render import Moderate
from openedai.api.openai.responses.types import ResponseRequest
from openedai.api.parameters.moderation import ModerationError, moderation_result
from openedai.catalog.catalog import Catalog
from openedai.contract.chat import Chat
from openedai.errors import APIError, ModelNotFound
from openedai.serving.call import Call
from openedai.serving.moderation import Moderation


class ResponseModerator:
    def __init__(self, catalog: Catalog, moderation: Moderation) -> None:
        self._catalog = catalog
        self._moderation = moderation

    def of(self, call: Call[ResponseRequest], chat: Chat) -> Moderate | None:
        """What scores the answer to a call, if the body asks for scores. Raises ModelNotFound."""
        if (options := call.body.moderation) is None:
            return None
        try:
            model = self._catalog.resolve_for(call.exchange.identity, options.model)
        except ModelNotFound:
            raise ModelNotFound(options.model, param="moderation.model") from None
        moderating = call.within(model)
        conversation = "\n".join(message.content for message in chat.messages)

        async def moderate(answer: str) -> ResponseModeration:
            """The answer exists already, so a failure here is reported in place of the scores."""
            try:
                found = await self._moderation.run(moderating, [conversation, answer])
            except APIError as error:
                failed = ModerationError(error.code or "server_error", error.message)
                return ResponseModeration(failed, failed)
            name = moderating.model.id
            return ResponseModeration(
                moderation_result(found[:1], name), moderation_result(found[1:], name)
            )

        return moderate
