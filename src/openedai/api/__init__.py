"""Every URL on one screen, and what each group of them uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from openedai.api.anthropic.dialect import ANTHROPIC
from openedai.api.assistant_routes import assistant_routes
from openedai.api.calls import Calls
from openedai.api.console_routes import console_routes
from openedai.api.dialects import ByDialect
from openedai.api.file_routes import container_routes, file_routes, vector_store_routes
from openedai.api.legacy.ranking import Ranking
from openedai.api.organization_routes import organization_routes
from openedai.api.route import (
    ENGINE,
    Endpoint,
    Group,
    GroupEndpoint,
    Route,
    SocketRoute,
    azure_routes,
    engine_routes,
    shared_with_azure,
)
from openedai.api.sockets import SOCKETS
from openedai.api.textgen.current import CurrentModel
from openedai.api.usage_routes import usage_routes
from openedai.serving.services import Services
from openedai.store.keys.projects import Projects


def routes(s: Services) -> tuple[Route, ...]:
    """Every URL of the server. The first one that matches a request is used."""
    calls = Calls(s.settings, s.catalog, s.leases, s.tuned)
    ranking = Ranking(s.catalog, s.embedding)
    official = (
        *_openai(s, calls),
        *shared_with_azure(_responses(s, calls)),
        *shared_with_azure(_conversations(s, calls)),
        *_stored_chats(s, calls),
        *shared_with_azure(file_routes(s, calls)),
        *shared_with_azure(vector_store_routes(s, calls)),
        *shared_with_azure(container_routes(s, calls)),
        *shared_with_azure(assistant_routes(s, calls)),
        *shared_with_azure(_fine_tuning(s, calls)),
        *_models(s),
        *usage_routes(s, calls),
        *_older_fine_tuning(s, calls),
        *_older(s, calls, ranking),
    )
    anthropic, extensions = _anthropic(s, calls), _extensions(s, calls)
    batches = _batches(s, calls, (*official, *anthropic, *extensions))
    official = (*official, *shared_with_azure(batches))
    return (
        *official,
        *organization_routes(s, calls),
        *_rate_limits(s, calls),
        *engine_routes(official),
        *_engines(s, calls),
        *azure_routes(official),
        *anthropic,
        *_ollama(s, calls),
        *extensions,
        *_textgen(s, calls),
        *_server(s),
        *console_routes(s, calls),
    )


def sockets(routes: Iterable[Route]) -> tuple[SocketRoute, ...]:
    """The URLs that also serve WebSockets."""
    return tuple(
        SocketRoute(route.path, route.endpoint.group, "connect")
        for route in routes
        if route.method == "POST" and route.path.encode() in SOCKETS
        if isinstance(route.endpoint, GroupEndpoint)
    )


def _deployed(path: str, endpoint: Endpoint, summary: str, **flags: bool) -> Route:
    """A URL that Azure serves below its deployments."""
    return Route("POST", path, endpoint, summary, on_azure=True, in_deployments=True, **flags)


def _openai(s: Services, calls: Calls) -> tuple[Route, ...]:
    chat = Group(
        "openai.chat.routes:ChatCompletions",
        *(calls, s.catalog, s.file_loading, s.image_loading, s.hearing, s.generation),
        *(s.speaking, s.moderation, s.stored_chats),
    )
    completions = Group("openai.completions.routes:Completions", calls, s.generation, s.leases)
    embeddings = Group("openai.embeddings.routes:Embeddings", calls, s.embedding)
    decisions = Group("openai.decisions.routes:Decisions", calls, s.deciding)
    moderations = Group(
        "openai.moderations.routes:Moderations",
        *(calls, s.catalog, s.moderation, s.image_loading),
    )
    speech = Group("openai.speech.routes:SpeechRoutes", calls, s.catalog, s.speech)
    images = Group(
        "openai.images.routes:ImageGenerations",
        *(calls, s.catalog, s.image_inputs, s.image_making, s.image_store, s.public),
    )
    audio = Group("openai.transcriptions.routes:Transcriptions", calls, s.transcription)
    both = {"in_engines": True, "in_batches": True}
    return (
        _deployed("/v1/chat/completions", chat["create"], "Chat", **both),
        _deployed("/v1/completions", completions["create"], "Complete a text", **both),
        Route("POST", "/v1/text_completion", completions["create"], "The same"),
        _deployed("/v1/embeddings", embeddings["create"], "Embed texts", **both),
        Route(
            "POST",
            "/v1/decisions",
            decisions["create"],
            "Answer questions with probabilities",
            in_batches=True,
        ),
        Route(
            "POST",
            "/v1/moderations",
            moderations["create"],
            "Score texts by category",
            in_batches=True,
        ),
        _deployed("/v1/audio/speech", speech["create"], "Speak a text", in_batches=True),
        Route("GET", "/v1/audio/voices", speech["list_voices"], "List the voices of a model"),
        _deployed("/v1/images/generations", images["generate"], "Make images", in_batches=True),
        _deployed("/v1/images/edits", images["edit"], "Edit images", in_batches=True),
        _deployed("/v1/images/variations", images["vary"], "Vary an image"),
        _deployed("/v1/audio/transcriptions", audio["transcribe"], "Transcribe an audio file"),
        _deployed(
            "/v1/audio/translations", audio["translate"], "Translate an audio file into English"
        ),
    )


def _responses_group(s: Services, calls: Calls) -> Group:
    return Group(
        "openai.responses.routes:Responses",
        *(calls, s.catalog, s.leases, s.file_loading, s.image_loading, s.hearing, s.generation),
        *(s.moderation, s.keeping, s.settings, s.mcp_hosts, s.image_making, s.store_search),
        *(s.containers, s.trace_headers),
    )


def _responses(s: Services, calls: Calls) -> tuple[Route, ...]:
    responses = _responses_group(s, calls)
    stored = Group("openai.responses.state.routes:StoredResponseRoutes", calls, s.keeping)
    create, count = responses["create"], responses["count"]
    path = "/v1/responses/{id}"
    return (
        Route("POST", "/v1/responses", create, "Answer", in_batches=True),
        Route("POST", "/v1/responses/input_tokens", count, "Count the tokens of an input"),
        Route("POST", "/v1/responses/compact", responses["compact"], "Compact a conversation"),
        Route("GET", path, stored["retrieve"], "Show a response, or stream it"),
        Route("DELETE", path, stored["delete"], "Delete a response"),
        Route("POST", f"{path}/cancel", stored["cancel"], "Cancel one in the background"),
        Route("GET", f"{path}/input_items", stored["list_input"], "What it answers"),
    )


def response_jobs(s: Services) -> Callable[[], Any]:
    """Make what produces responses in the background. Blocking."""
    responses = _responses_group(s, Calls(s.settings, s.catalog, s.leases, s.tuned))

    def make() -> Any:
        path = "openai.responses.state.background:ResponseJobs"
        return Group(path, s.catalog, s.tuned, responses.make(), s.ends).make()

    return make


def _conversations(s: Services, calls: Calls) -> tuple[Route, ...]:
    group = "openai.responses.conversations.routes:ConversationRoutes"
    conversations = Group(group, calls, s.keeping.conversations)
    path = "/v1/conversations/{id}"
    items, item = f"{path}/items", f"{path}/items/{{item_id}}"
    return (
        Route("POST", "/v1/conversations", conversations["create"], "Make a conversation"),
        Route("GET", path, conversations["retrieve"], "Show a conversation"),
        Route("POST", path, conversations["update"], "Change its metadata"),
        Route("DELETE", path, conversations["delete"], "Delete a conversation"),
        Route("POST", items, conversations["add_items"], "Add items to it"),
        Route("GET", items, conversations["list_items"], "List its items"),
        Route("GET", item, conversations["retrieve_item"], "Show an item"),
        Route("DELETE", item, conversations["delete_item"], "Delete an item"),
    )


def _stored_chats(s: Services, calls: Calls) -> tuple[Route, ...]:
    chats = Group("openai.chat.stored:StoredChatRoutes", calls, s.stored_chats)
    path = "/v1/chat/completions"
    return (
        Route("GET", path, chats["list_chats"], "List the stored chats"),
        Route("GET", f"{path}/{{id}}", chats["retrieve"], "Show a stored chat"),
        Route("GET", f"{path}/{{id}}/messages", chats["list_messages"], "What it answers"),
        Route("POST", f"{path}/{{id}}", chats["update"], "Change its metadata"),
        Route("DELETE", f"{path}/{{id}}", chats["delete"], "Delete a stored chat"),
    )


def _fine_tuning(s: Services, calls: Calls) -> tuple[Route, ...]:
    jobs = Group("openai.fine_tuning.routes:FineTuningJobs", calls, s.fine_tuning, s.tuned)
    graders = Group(
        "openai.graders.routes:Graders", calls, s.catalog, s.tuned, s.generation, s.embedding
    )
    alpha = "/v1/fine_tuning/alpha/graders"
    path = "/v1/fine_tuning/jobs"
    job = f"{path}/{{id}}"
    permissions = "/v1/fine_tuning/checkpoints/{model:path}/permissions"
    return (
        Route("POST", path, jobs["create"], "Fine-tune a model"),
        Route("GET", path, jobs["list_jobs"], "List the fine-tuning jobs"),
        Route("GET", job, jobs["retrieve"], "Show a fine-tuning job"),
        Route("POST", f"{job}/cancel", jobs["cancel"], "Cancel a fine-tuning job"),
        Route("POST", f"{job}/pause", jobs["pause"], "Pause a fine-tuning job"),
        Route("POST", f"{job}/resume", jobs["resume"], "Resume a fine-tuning job"),
        Route("GET", f"{job}/events", jobs["events"], "List the events of a job"),
        Route("GET", f"{job}/checkpoints", jobs["checkpoints"], "List the checkpoints of a job"),
        Route("GET", permissions, jobs["permissions"], "Who may use a checkpoint"),
        Route("POST", permissions, jobs["permit"], "Refused: a checkpoint stays in its project"),
        Route("DELETE", f"{permissions}/{{id}}", jobs["forbid"], "The same"),
        Route("POST", f"{alpha}/run", graders["run"], "Grade an answer"),
        Route("POST", f"{alpha}/validate", graders["validate"], "Check a grader"),
    )


def _older_fine_tuning(s: Services, calls: Calls) -> tuple[Route, ...]:
    older = Group("legacy.fine_tunes:FineTunes", calls, s.fine_tuning, s.files, s.catalog)
    old = "/v1/fine-tunes"
    return (
        Route("POST", old, older["create"], "Fine-tune a model"),
        Route("GET", old, older["list_jobs"], "List the fine-tuning jobs"),
        Route("GET", f"{old}/{{id}}", older["retrieve"], "Show a fine-tuning job"),
        Route("POST", f"{old}/{{id}}/cancel", older["cancel"], "Cancel a fine-tuning job"),
        Route("GET", f"{old}/{{id}}/events", older["events"], "The events of a job"),
    )


def _batches(s: Services, calls: Calls, routes: Iterable[Route]) -> tuple[Route, ...]:
    """The routes of batches. `routes` are all routes; a line of a batch may be for some of them."""
    endpoints = tuple(route.path for route in routes if route.in_batches)
    batches = Group("openai.batches.routes:BatchRoutes", calls, s.batches, endpoints)
    path = "/v1/batches/{id}"
    cancel = Route("POST", f"{path}/cancel", batches["cancel"], "End a batch early")
    return (
        Route("POST", "/v1/batches", batches["create"], "Answer a file of requests"),
        Route("GET", "/v1/batches", batches["list_batches"], "List the batches"),
        Route("GET", path, batches["retrieve"], "Show a batch"),
        cancel,
    )


def _models(s: Services) -> tuple[Route, ...]:
    """The URLs that OpenAI's and Anthropic's APIs share."""
    official = Group("openai.models.routes:Models", s.catalog, s.listing, s.tuned)
    anthropic = Group("anthropic.models:AnthropicModels", s.catalog, s.listing, s.tuned)
    listed = ByDialect(official["list_models"], {ANTHROPIC: anthropic["list_models"]})
    retrieved = ByDialect(official["retrieve"], {ANTHROPIC: anthropic["retrieve"]})
    path = "/v1/models/{model:path}"
    return (
        Route("GET", "/v1/models", listed, "List the models", on_azure=True),
        Route("GET", path, retrieved, "Show a model", on_azure=True),
        Route("DELETE", path, official["delete"], "Delete a fine-tuned model", on_azure=True),
    )


def _older(s: Services, calls: Calls, ranking: Ranking) -> tuple[Route, ...]:
    edits = Group("legacy.edits:Edits", calls, s.generation)
    search = Group("legacy.search:Search", calls, ranking)
    answers = Group("legacy.answers:Answers", calls, ranking, s.generation)
    labels = Group("legacy.classifications:Classifications", calls, ranking, s.generation)
    return (
        Route(
            "POST", "/v1/edits", edits["create"], "Edit a text", in_engines=True, in_batches=True
        ),
        Route("POST", "/v1/search", search["create"], "Search documents", in_engines=True),
        Route("POST", "/v1/answers", answers["create"], "Answer a question"),
        Route("POST", "/v1/classifications", labels["create"], "Label"),
    )


def _engines(s: Services, calls: Calls) -> tuple[Route, ...]:
    generate = Group("legacy.generate:EngineGenerate", calls, s.generation)
    engines = Group("legacy.engines:Engines", s.catalog, s.listing, s.loading, s.tuned)
    return (
        Route("POST", f"{ENGINE}/generate", generate["create"], "Complete"),
        Route("GET", "/v1/engines", engines["list_engines"], "List the models"),
        Route("GET", ENGINE, engines["retrieve"], "Show a model"),
    )


def _anthropic(s: Services, calls: Calls) -> tuple[Route, ...]:
    messages = Group("anthropic.routes:Messages", calls, s.image_loading, s.generation, s.leases)
    count, summary = "/v1/messages/count_tokens", "Count a conversation's tokens"
    return (
        Route("POST", "/v1/messages", messages["create"], "Anthropic's chat", in_batches=True),
        Route("POST", count, messages["count_tokens"], summary),
    )


def _ollama(s: Services, calls: Calls) -> tuple[Route, ...]:
    answers = Group(
        "ollama.routes:OllamaGenerations",
        *(calls, s.catalog, s.image_loading, s.generation, s.loading),
    )
    embeddings = Group("ollama.routes:OllamaEmbeddings", calls, s.catalog, s.embedding, s.loading)
    models = Group(
        "ollama.models:OllamaModels",
        *(calls, s.catalog, s.listing, s.loading, s.weight_facts, s.settings.idle_timeout),
        s.tuned,
    )
    fixed = Group("ollama.fixed:FixedAnswers")
    return (
        Route("POST", "/api/chat", answers["chat"], "Ollama: chat"),
        Route("POST", "/api/generate", answers["generate"], "Ollama: answer a prompt"),
        Route("POST", "/api/embed", embeddings["embed_texts"], "Ollama: embed texts"),
        Route("POST", "/api/embeddings", embeddings["embed_prompt"], "Ollama: embed one"),
        Route("GET", "/api/tags", models["tags"], "Ollama: list the models"),
        Route("POST", "/api/show", models["show"], "Ollama: show a model"),
        Route("GET", "/api/ps", models["ps"], "Ollama: list the loaded models"),
        Route("GET", "/api/version", fixed["version"], "Ollama: whose API this is"),
        Route("POST", "/api/pull", models["pull"], "Ollama: fetch a model"),
        Route("POST", "/api/create", fixed["refuse"], "Ollama: refused"),
        Route("POST", "/api/copy", fixed["refuse"], "Ollama: refused"),
        Route("POST", "/api/push", fixed["refuse"], "Ollama: refused"),
        Route("DELETE", "/api/delete", fixed["refuse"], "Ollama: refused"),
        Route("POST", "/api/blobs/{digest}", fixed["refuse"], "Ollama: refused"),
        Route("GET", "/", fixed["root"], "Is a server there?"),
    )


def _extensions(s: Services, calls: Calls) -> tuple[Route, ...]:
    tokens = Group("extensions.tokens.routes:Tokenization", calls, s.leases)
    rerank = Group("extensions.rerank.routes:Rerank", calls, s.catalog, s.reranking)
    systemone = Group("extensions.systemone.routes:SystemOne", calls, s.deciding)
    images = Group("openai.images.files:ImageFiles", s.image_store, s.public)
    return (
        Route("GET", "/v1/images/files/{name}", images["read"], "Show a made image"),
        Route("POST", "/v1/tokenize", tokens["tokenize"], "A text as tokens", in_batches=True),
        Route("POST", "/v1/detokenize", tokens["detokenize"], "Tokens as a text", in_batches=True),
        Route(
            "POST", "/v1/rerank", rerank["rerank"], "Rank documents for a query", in_batches=True
        ),
        Route("POST", "/v2/rerank", rerank["rerank"], "The same", in_batches=True),
        Route("POST", "/rerank", rerank["rerank"], "The same", in_batches=True),
        Route("POST", "/v1/score", rerank["score"], "Score pairs of texts", in_batches=True),
        Route(
            "POST",
            "/v1/systemone",
            systemone["decide"],
            "Decisions in System One's shape",
            in_batches=True,
        ),
    )


def _textgen(s: Services, calls: Calls) -> tuple[Route, ...]:
    current = CurrentModel(s.catalog)
    tokens = Group("textgen.routes:TextTokens", calls, current, s.leases)
    model = Group(
        "textgen.routes:ModelControl",
        *(calls, current, s.listing, s.loading, s.generation.active),
    )
    base = "/v1/internal"
    return (
        Route("POST", f"{base}/encode", tokens["encode"], "A text as tokens"),
        Route("POST", f"{base}/decode", tokens["decode"], "Tokens as a text"),
        Route("POST", f"{base}/token-count", tokens["token_count"], "Count"),
        Route("GET", f"{base}/model/info", model["model_info"], "The model worked with"),
        Route("GET", f"{base}/model/list", model["model_list"], "List the models"),
        Route("POST", f"{base}/model/load", model["load_model"], "Load a model"),
        Route("POST", f"{base}/model/unload", model["unload_model"], "Unload it"),
        Route("POST", f"{base}/stop-generation", model["stop_generation"], "End early"),
    )


def _rate_limits(s: Services, calls: Calls) -> tuple[Route, ...]:
    limits = Group(
        "openai.organization.rate_limits:ProjectRateLimits",
        *(calls, s.catalog, s.project_limits, Projects(s.store), s.settings),
    )
    path = "/v1/organization/projects/{project_id}/rate_limits"
    return (
        Route("GET", path, limits["list_limits"], "List a project's limits"),
        Route("POST", f"{path}/{{rate_limit_id:path}}", limits["update"], "Change one"),
    )


def _server(s: Services) -> tuple[Route, ...]:
    status = Group("server.routes:ServerStatus", s.loading, s.metrics)
    return (
        Route("GET", "/health", status["health"], "Is the server well?"),
        Route("GET", "/metrics", status["metrics"], "Numbers for Prometheus"),
    )
