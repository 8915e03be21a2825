"""What engine requests are expected to cost, before they are computed, for the limits of callers.

The tokens of texts are a quarter of their bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from openedai.contract.chat import Chat
from openedai.contract.decide import DecideRequest
from openedai.contract.embed import EmbedRequest
from openedai.contract.generate import GenerateRequest, Text, Tokens
from openedai.contract.images import ImageRequest
from openedai.contract.moderate import ModerateImagesRequest, ModerateRequest
from openedai.contract.rerank import RerankRequest
from openedai.contract.speak import SpeakRequest
from openedai.contract.transcribe import TranscribeRequest
from openedai.security.limits.scopes import Cost

_BYTES_PER_TOKEN = 4
_TOKENS_OF_MESSAGE = 4  # its role, and the markers around it


EngineRequest = (
    Sequence[GenerateRequest]
    | EmbedRequest
    | RerankRequest
    | DecideRequest
    | ModerateRequest
    | ModerateImagesRequest
    | ImageRequest
    | SpeakRequest
    | TranscribeRequest
)
"""What a model is to do: a request of `openedai.contract` that limits count."""


def cost_of(engine_request: EngineRequest, answer_tokens: int) -> Cost:
    """The expected cost. An answer without a limit is expected to have `answer_tokens` tokens."""
    match engine_request:
        case EmbedRequest(inputs=inputs) | ModerateRequest(inputs=inputs):
            return Cost(prompt_tokens=sum(map(_prompt_tokens, inputs)))
        case RerankRequest():
            return Cost(prompt_tokens=_pair_tokens(engine_request))
        case DecideRequest(input=text, questions=questions):
            own = sum(_text_tokens(question.text) for question in questions)
            return Cost(prompt_tokens=own + _text_tokens(text) * len(questions))
        case ImageRequest(count=count):
            return Cost(images=count)
        case TranscribeRequest(path=path):
            return Cost(audio=Path(path).stat().st_size)
        case SpeakRequest() | ModerateImagesRequest():  # few engines count tokens of these
            return Cost()
        case _:
            return _of_generations(engine_request, answer_tokens)


def _of_generations(requests: Sequence[GenerateRequest], answer_tokens: int) -> Cost:
    """Requests with the same prompt read it once."""
    prompts = {id(request.prompt): request.prompt for request in requests}
    limits = [request.max_tokens for request in requests if request.max_tokens is not None]
    return Cost(
        prompt_tokens=sum(map(_prompt_tokens, prompts.values())),
        answer_tokens=sum(limits),
        likely_tokens=answer_tokens * (len(requests) - len(limits)),
    )


def _pair_tokens(request: RerankRequest) -> int:
    """A reranker reads the query with each document."""
    documents = sum(map(_text_tokens, request.documents))
    queries = sum(map(_text_tokens, request.queries))
    return documents + queries * (len(request.documents) if len(request.queries) == 1 else 1)


def _prompt_tokens(prompt: Chat | Text | Tokens) -> int:
    match prompt:
        case Tokens(ids=ids):
            return len(ids)
        case Text(text=text):
            return _text_tokens(text)
        case Chat():
            return _chat_tokens(prompt)


def _chat_tokens(chat: Chat) -> int:
    tokens = sum(
        _TOKENS_OF_MESSAGE
        + _text_tokens(message.content)
        + sum(_text_tokens(call.arguments) for call in message.tool_calls)
        for message in chat.messages
    )
    if chat.tools:
        tokens += len(msgspec.json.encode(chat.tools)) // _BYTES_PER_TOKEN
    return tokens


def _text_tokens(text: str) -> int:
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    return (size + _BYTES_PER_TOKEN - 1) // _BYTES_PER_TOKEN
