"""Answers of Ollama's API that do not depend on the models."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from openedai.errors import Unsupported
from openedai.http.respond import json_response

# The version of Ollama whose API this is: clients compare it with the one that they need.
VERSION = "0.12.11"


class FixedAnswers:
    async def root(self, request: Request) -> Response:
        """Clients request this to see whether a server is running."""
        return PlainTextResponse("OpenedAI is running")

    async def version(self, request: Request) -> Response:
        return json_response({"version": VERSION})

    async def refuse(self, request: Request) -> Response:
        """For requests that would change the catalogue, which only the settings do."""
        raise Unsupported(
            f"{request.method} {request.scope['path']} is not supported: the models of this server "
            "are those of its settings."
        )
