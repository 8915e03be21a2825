"""The groups of URLs that a key may be limited to."""

from __future__ import annotations

import re

from openedai.security.permissions import ANYONE, ORGANIZATION, SERVER

# A path belongs to the group of the longest of these prefixes that it begins with.
_PREFIXES = {
    "/": ANYONE,
    "/health": ANYONE,
    "/docs": ANYONE,
    "/openapi.json": ANYONE,
    "/console": ANYONE,  # it checks for an admin itself
    "/metrics": SERVER,
    "/v1/organization": ORGANIZATION,
    "/v1/chat": "chat",
    "/v1/messages": "chat",
    "/v1/completions": "completions",
    "/v1/text_completion": "completions",
    "/v1/generate": "completions",
    "/v1/edits": "completions",
    "/v1/answers": "completions",
    "/v1/classifications": "completions",
    "/v1/responses": "responses",
    "/v1/conversations": "responses",
    "/v1/embeddings": "embeddings",
    "/v1/search": "embeddings",
    "/v1/rerank": "rerank",
    "/v2/rerank": "rerank",
    "/rerank": "rerank",
    "/v1/score": "rerank",
    "/v1/tokenize": "tokens",
    "/v1/detokenize": "tokens",
    "/v1/decisions": "decisions",
    "/v1/systemone": "decisions",
    "/v1/moderations": "moderations",
    "/v1/audio": "audio",
    "/v1/images": "images",
    "/v1/images/files": ANYONE,
    "/v1/files": "files",
    "/v1/uploads": "files",
    "/v1/batches": "batches",
    "/v1/fine_tuning": "fine_tuning",
    "/v1/fine-tunes": "fine_tuning",
    "/v1/vector_stores": "vector_stores",
    "/v1/containers": "containers",
    "/v1/assistants": "assistants",
    "/v1/threads": "assistants",
    "/v1/models": "models",
    "/v1/engines": "models",
    "/v1/internal": "tokens",
    "/v1/internal/model/info": "models",
    "/v1/internal/model/list": "models",
    "/v1/internal/model/load": SERVER,
    "/v1/internal/model/unload": SERVER,
    "/v1/internal/stop-generation": "completions",
    "/api": SERVER,
    "/api/chat": "chat",
    "/api/generate": "completions",
    "/api/embed": "embeddings",
    "/api/embeddings": "embeddings",
    "/api/tags": "models",
    "/api/show": "models",
    "/api/ps": "models",
    "/api/version": ANYONE,
}
GROUPS = tuple(sorted({*_PREFIXES.values()} - {ANYONE, ORGANIZATION}))
_IN_URL = re.compile(r"/v1/engines/\{model:path\}(?=/)|/openai/deployments/\{model:path\}(?=/)")


def endpoint_group(path: str) -> str:
    """The group of a route, by its path; the paths of older clients and of Azure are in the group
    of the `/v1/…` path.

    A URL in none of them is its own group, named after the first segment after `/v1`.
    """
    path = _IN_URL.sub("/v1", path)
    path = re.sub(r"^/openai(/v1)?(?=/)", "/v1", path)
    names = path.split("/")
    for length in range(len(names), 1, -1):
        group = _PREFIXES.get("/".join(names[:length]))
        if group is not None:
            return group
    return names[2] if names[1] == "v1" else SERVER
