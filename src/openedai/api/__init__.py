"""Every URL on one screen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.anthropic import routes as anthropic
from openedai.api.anthropic.types import CountTokensRequest, MessagesRequest
from openedai.api.chat import routes as chat
from openedai.api.chat.types import ChatCompletionRequest
from openedai.api.completions import routes as completions
from openedai.api.completions.types import CompletionRequest
from openedai.api.embeddings import routes as embeddings
from openedai.api.embeddings.types import EmbeddingRequest
from openedai.api.health import routes as health
from openedai.api.models import routes as models


class Route(NamedTuple):
    method: str
    path: str
    endpoint: Callable[[Request], Awaitable[Response]]
    summary: str
    body: type[BaseModel] | None = None


ROUTES = (
    Route("POST", "/v1/chat/completions", chat.create, "Chat", ChatCompletionRequest),
    Route("POST", "/v1/completions", completions.create, "Complete a text", CompletionRequest),
    Route("POST", "/v1/text_completion", completions.create, "The same", CompletionRequest),
    Route("POST", "/v1/embeddings", embeddings.create, "Embed texts", EmbeddingRequest),
    Route("POST", "/v1/messages", anthropic.create, "Anthropic's chat", MessagesRequest),
    Route(
        "POST",
        "/v1/messages/count_tokens",
        anthropic.count_tokens,
        "Count a conversation's tokens",
        CountTokensRequest,
    ),
    Route("GET", "/v1/models", models.list_models, "List the models"),
    Route("GET", "/v1/models/{model:path}", models.retrieve, "Show a model"),
    Route("GET", "/health", health.health, "Is the server well?"),
    Route("GET", "/metrics", health.metrics, "Numbers for Prometheus"),
)
