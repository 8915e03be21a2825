"""`POST /v1/completions`, which some clients know as `/v1/text_completion`."""

from __future__ import annotations

from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.openai.completions.render import completion_renderer
from openedai.api.openai.completions.types import CompletionRequest
from openedai.api.parameters.generation.prompt import prompts
from openedai.api.route import takes
from openedai.contract.engine import Tokenizer
from openedai.contract.generate import Tokens
from openedai.engines.registry import capabilities_of
from openedai.errors import InvalidRequest
from openedai.serving.call import Call
from openedai.serving.generation import Generation
from openedai.serving.leases import Leases


class Completions:
    def __init__(self, calls: Calls, generation: Generation, leases: Leases) -> None:
        self._calls = calls
        self._generation = generation
        self._leases = leases

    @takes(CompletionRequest)
    async def create(self, request: Request) -> Response:
        call = await self._calls.read(request, CompletionRequest)
        texts = await self._texts(call)
        events = self._generation.run(call, call.body.to_engine_requests())
        renderer = completion_renderer(call.body, call.model, texts)
        return await self._calls.answer(call, events, renderer, stream=bool(call.body.stream))

    async def _texts(self, call: Call[CompletionRequest]) -> list[str]:
        """The texts of the prompts that are tokens, if the offsets in the answer need them and the
        model can tell.
        """
        body, spec = call.body, call.spec
        tokens = [one.ids for one in prompts(body.prompt) if isinstance(one, Tokens)]
        if body.logprobs is None or body.echo or not tokens:
            return []
        if Tokenizer not in capabilities_of(spec.engine, spec.options):
            return []
        with suppress(InvalidRequest):  # the generation says what is wrong
            async with self._leases.lease(call, Tokenizer) as engine:
                return [await engine.detokenize(ids) for ids in tokens]
        return []
