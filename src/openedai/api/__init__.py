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
from openedai.api.legacy import answers, classifications, edits, engines, generate, search
from openedai.api.legacy.answers import AnswerRequest
from openedai.api.legacy.classifications import ClassificationRequest
from openedai.api.legacy.edits import EditRequest
from openedai.api.legacy.generate import EngineGenerateRequest
from openedai.api.legacy.search import SearchRequest
from openedai.api.models import routes as models


class Route(NamedTuple):
    method: str
    path: str
    endpoint: Callable[[Request], Awaitable[Response]]
    summary: str
    body: type[BaseModel] | None = None


# A model's id may have slashes, so of two paths that fit, the first one is meant.
_ENGINE = "/v1/engines/{model:path}"
_AZURE = "/openai/deployments/{model:path}"

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
    # Older endpoints.
    Route("POST", "/v1/edits", edits.create, "Edit a text", EditRequest),
    Route("POST", "/v1/search", search.create, "Search documents", SearchRequest),
    Route("POST", "/v1/answers", answers.create, "Answer a question", AnswerRequest),
    Route("POST", "/v1/classifications", classifications.create, "Label", ClassificationRequest),
    Route("POST", f"{_ENGINE}/chat/completions", chat.create, "Chat", ChatCompletionRequest),
    Route("POST", f"{_ENGINE}/completions", completions.create, "Complete", CompletionRequest),
    Route("POST", f"{_ENGINE}/embeddings", embeddings.create, "Embed texts", EmbeddingRequest),
    Route("POST", f"{_ENGINE}/edits", edits.create, "Edit a text", EditRequest),
    Route("POST", f"{_ENGINE}/generate", generate.create, "Complete", EngineGenerateRequest),
    Route("POST", f"{_ENGINE}/search", search.create, "Search documents", SearchRequest),
    Route("GET", "/v1/engines", engines.list_engines, "List the models"),
    Route("GET", _ENGINE, engines.retrieve, "Show a model"),
    # As Azure has them.
    Route("POST", f"{_AZURE}/chat/completions", chat.create, "Chat", ChatCompletionRequest),
    Route("POST", f"{_AZURE}/completions", completions.create, "Complete", CompletionRequest),
    Route("POST", f"{_AZURE}/embeddings", embeddings.create, "Embed texts", EmbeddingRequest),
    Route("GET", "/openai/models", models.list_models, "List the models"),
    Route("GET", "/openai/models/{model:path}", models.retrieve, "Show a model"),
    Route("POST", "/openai/v1/chat/completions", chat.create, "Chat", ChatCompletionRequest),
    Route("POST", "/openai/v1/completions", completions.create, "Complete", CompletionRequest),
    Route("POST", "/openai/v1/embeddings", embeddings.create, "Embed texts", EmbeddingRequest),
    Route("GET", "/openai/v1/models", models.list_models, "List the models"),
    Route("GET", "/openai/v1/models/{model:path}", models.retrieve, "Show a model"),
    # About this server.
    Route("GET", "/health", health.health, "Is the server well?"),
    Route("GET", "/metrics", health.metrics, "Numbers for Prometheus"),
)
