"""Every group of URLs on one screen, and what each of them uses."""

from __future__ import annotations

from openedai.api.anthropic.dialect import ANTHROPIC
from openedai.api.anthropic.models import AnthropicModels
from openedai.api.anthropic.routes import Messages
from openedai.api.calls import Calls
from openedai.api.dialects import by_dialect
from openedai.api.extensions.tokens.routes import Tokenization
from openedai.api.legacy.answers import Answers
from openedai.api.legacy.classifications import Classifications
from openedai.api.legacy.edits import Edits
from openedai.api.legacy.engines import Engines
from openedai.api.legacy.generate import EngineGenerate
from openedai.api.legacy.ranking import Ranking
from openedai.api.legacy.search import Search
from openedai.api.ollama.models import OllamaModels
from openedai.api.ollama.routes import OllamaEmbeddings, OllamaGenerations
from openedai.api.openai.chat.routes import ChatCompletions
from openedai.api.openai.completions.routes import Completions
from openedai.api.openai.embeddings.routes import Embeddings
from openedai.api.openai.images.files import ImageFiles
from openedai.api.openai.images.routes import ImageGenerations
from openedai.api.openai.models.routes import Models
from openedai.api.openai.speech.routes import SpeechRoutes
from openedai.api.openai.transcriptions.routes import Transcriptions
from openedai.api.route import Route, azure_routes, engine_routes
from openedai.api.server.routes import ServerStatus
from openedai.api.textgen.routes import CurrentModel, ModelControl, TextTokens
from openedai.serving.services import Services


def routes(s: Services) -> tuple[Route, ...]:
    """Every URL of the server. The first one that matches a request is used."""
    calls = Calls(s.settings, s.catalog, s.leases)
    ranking = Ranking(s.catalog, s.embedding)
    current = CurrentModel(s.catalog)
    files = ImageFiles(s.image_store, s.settings.public_url)
    official = (
        *ChatCompletions(calls, s.image_loading, s.hearing, s.generation, s.speaking).routes(),
        *Completions(calls, s.generation).routes(),
        *Embeddings(calls, s.embedding).routes(),
        *SpeechRoutes(calls, s.catalog, s.speech).routes(),
        *ImageGenerations(calls, s.catalog, s.image_inputs, s.image_making, files).routes(),
        *Transcriptions(calls, s.transcription).routes(),
        *_models(s),
        *Edits(calls, s.generation).routes(),
        *Search(calls, ranking).routes(),
        *Answers(calls, ranking, s.generation).routes(),
        *Classifications(calls, ranking, s.generation).routes(),
    )
    return (
        *official,
        *engine_routes(official),
        *EngineGenerate(calls, s.generation).routes(),
        *Engines(s.catalog, s.listing, s.loading).routes(),
        *azure_routes(official),
        *Messages(calls, s.image_loading, s.generation, s.leases).routes(),
        *OllamaGenerations(calls, s.catalog, s.image_loading, s.generation, s.loading).routes(),
        *OllamaEmbeddings(calls, s.catalog, s.embedding, s.loading).routes(),
        *OllamaModels(
            calls, s.catalog, s.listing, s.loading, s.weight_facts, s.settings.idle_timeout
        ).routes(),
        *files.routes(),
        *Tokenization(calls, s.leases).routes(),
        *TextTokens(calls, current, s.leases).routes(),
        *ModelControl(calls, current, s.listing, s.loading, s.generation.active).routes(),
        *ServerStatus(s.loading, s.metrics).routes(),
    )


def _models(s: Services) -> tuple[Route, ...]:
    """The URLs that OpenAI's and Anthropic's APIs share."""
    openai, anthropic = Models(s.catalog, s.listing), AnthropicModels(s.catalog, s.listing)
    listed = by_dialect(openai.list_models, {ANTHROPIC: anthropic.list_models})
    retrieved = by_dialect(openai.retrieve, {ANTHROPIC: anthropic.retrieve})
    path = "/v1/models/{model:path}"
    return (
        Route("GET", "/v1/models", listed, "List the models", on_azure=True),
        Route("GET", path, retrieved, "Show a model", on_azure=True),
    )
