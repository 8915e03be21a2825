"""`GET /health` and `GET /metrics`."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from openedai import __version__
from openedai.http.respond import json_response
from openedai.serving.models.loading import Loading
from openedai.serving.monitoring.metrics import CONTENT_TYPE, Metrics


class ServerStatus:
    def __init__(self, loading: Loading, metrics: Metrics) -> None:
        self._loading = loading
        self._metrics = metrics

    async def health(self, request: Request) -> Response:
        """200 while requests are taken, 503 once the server is shutting down."""
        accepting = self._loading.status().accepting
        answer = {
            "status": "ok" if accepting else "shutting_down",
            "version": __version__,
            "loaded_models": self._loading.loaded(),
        }
        return json_response(answer, status=200 if accepting else 503)

    async def metrics(self, request: Request) -> Response:
        return Response(self._metrics.render(), media_type=CONTENT_TYPE)
