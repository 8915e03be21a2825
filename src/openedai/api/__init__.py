"""Every URL on one screen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.anthropic import routes as anthropic
from openedai.api.anthropic.types import CountTokensRequest, MessagesRequest
from openedai.api.extensions.tokens import routes as tokens
from openedai.api.extensions.tokens.types import DetokenizeRequest, TokenizeRequest
from openedai.api.legacy import answers, classifications, edits, engines, generate, search
from openedai.api.legacy.answers import AnswerRequest
from openedai.api.legacy.classifications import ClassificationRequest
from openedai.api.legacy.edits import EditRequest
from openedai.api.legacy.generate import EngineGenerateRequest
from openedai.api.legacy.search import SearchRequest
from openedai.api.ollama import models as ollama_models
from openedai.api.ollama import routes as ollama
from openedai.api.ollama.types import (
    ChatBody,
    EmbedBody,
    EmbeddingsBody,
    GenerateBody,
    PullBody,
    ShowBody,
)
from openedai.api.openai.chat import routes as chat
from openedai.api.openai.chat.types import ChatCompletionRequest
from openedai.api.openai.completions import routes as completions
from openedai.api.openai.completions.types import CompletionRequest
from openedai.api.openai.embeddings import routes as embeddings
from openedai.api.openai.embeddings.types import EmbeddingRequest
from openedai.api.openai.models import routes as models
from openedai.api.server import routes as health
from openedai.api.textgen import routes as textgen
from openedai.api.textgen.types import DecodeRequest, EncodeRequest, LoadRequest


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
    # Tokens.
    Route("POST", "/v1/tokenize", tokens.tokenize, "A text as tokens", TokenizeRequest),
    Route("POST", "/v1/detokenize", tokens.detokenize, "Tokens as a text", DetokenizeRequest),
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
    # As Ollama has them.
    Route("POST", "/api/chat", ollama.chat, "Ollama: chat", ChatBody),
    Route("POST", "/api/generate", ollama.generate, "Ollama: answer a prompt", GenerateBody),
    Route("POST", "/api/embed", ollama.embed_texts, "Ollama: embed texts", EmbedBody),
    Route("POST", "/api/embeddings", ollama.embed_prompt, "Ollama: embed one", EmbeddingsBody),
    Route("GET", "/api/tags", ollama_models.tags, "Ollama: list the models"),
    Route("POST", "/api/show", ollama_models.show, "Ollama: show a model", ShowBody),
    Route("GET", "/api/ps", ollama_models.ps, "Ollama: list the loaded models"),
    Route("GET", "/api/version", ollama_models.version, "Ollama: whose API this is"),
    Route("POST", "/api/pull", ollama_models.pull, "Ollama: fetch a model", PullBody),
    Route("POST", "/api/create", ollama_models.refuse, "Ollama: refused"),
    Route("POST", "/api/copy", ollama_models.refuse, "Ollama: refused"),
    Route("POST", "/api/push", ollama_models.refuse, "Ollama: refused"),
    Route("DELETE", "/api/delete", ollama_models.refuse, "Ollama: refused"),
    Route("POST", "/api/blobs/{digest}", ollama_models.refuse, "Ollama: refused"),
    Route("GET", "/", ollama_models.root, "Is a server there?"),
    Route("HEAD", "/", ollama_models.root, "Is a server there?"),
    # As text-generation-webui has them.
    Route("POST", "/v1/internal/encode", textgen.encode, "A text as tokens", EncodeRequest),
    Route("POST", "/v1/internal/decode", textgen.decode, "Tokens as a text", DecodeRequest),
    Route("POST", "/v1/internal/token-count", textgen.token_count, "Count", EncodeRequest),
    Route("GET", "/v1/internal/model/info", textgen.model_info, "The model worked with"),
    Route("GET", "/v1/internal/model/list", textgen.model_list, "List the models"),
    Route("POST", "/v1/internal/model/load", textgen.load_model, "Load a model", LoadRequest),
    Route("POST", "/v1/internal/model/unload", textgen.unload_model, "Unload it"),
    Route("POST", "/v1/internal/stop-generation", textgen.stop_generation, "End early"),
    # About this server.
    Route("GET", "/health", health.health, "Is the server well?"),
    Route("GET", "/metrics", health.metrics, "Numbers for Prometheus"),
)
