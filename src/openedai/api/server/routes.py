"""`GET /health` and `GET /metrics`."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from openedai import __version__
from openedai.http.respond import json_response
from openedai.serving.metrics import CONTENT_TYPE
from openedai.serving.services import services


async def health(request: Request) -> Response:
    """200 while requests are taken, 503 once the server is shutting down."""
    status = services(request).pool.snapshot()
    loaded = [model.id for model in status.models if model.state == "ready"]
    answer = {
        "status": "ok" if status.accepting else "shutting_down",
        "version": __version__,
        "loaded_models": loaded,
    }
    return json_response(answer, status=200 if status.accepting else 503)


async def metrics(request: Request) -> Response:
    return Response(services(request).metrics.render(), media_type=CONTENT_TYPE)
