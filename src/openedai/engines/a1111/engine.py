"""Images by a Stable Diffusion web UI: AUTOMATIC1111's, Forge or SD.Next, or several equal ones.

    engine     requests of the contract
    request    a request as the JSON that the web UI takes
    job        one image on one web UI
    choices    the checkpoint and sampler of a request
    api        the HTTP API of a web UI
    failures   what its errors mean

`openedai.engines.image_server` chooses the web UI, and `openedai.engines.remote` has the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from openedai.contract.engine import Directory
from openedai.contract.images import ImageRequest
from openedai.engines.a1111.api import WebUI
from openedai.engines.a1111.failures import WebUIFailures
from openedai.engines.a1111.job import WebUIJob
from openedai.engines.a1111.options import A1111Options
from openedai.engines.a1111.request import check
from openedai.engines.image_server.image_files import Size
from openedai.engines.image_server.options import size_from
from openedai.engines.image_server.server import ImageServer
from openedai.engines.options import parse_options
from openedai.engines.remote.attempts import Attempts
from openedai.engines.remote.connection import Connections, make_session
from openedai.engines.remote.options import base_urls
from openedai.engines.remote.replicas import Replica, Replicas


class A1111(ImageServer, Directory):
    """A checkpoint of a web UI, or all of its checkpoints; if none is chosen, the one that is
    loaded there.
    """

    def __init__(
        self, model: str, options: A1111Options, replicas: Replicas, connections: Connections
    ) -> None:
        super().__init__(options, replicas, connections, health_path="sdapi/v1/progress")
        self.model = model
        self._options = options

    @classmethod
    async def load(cls, model: str, path: Path | None, options: Mapping[str, Any]) -> Self:
        """Raises EngineFailed for wrong options. Nothing is sent: the web UI may be down."""
        known = parse_options(A1111Options, model, options)
        urls = base_urls(model, known.url, known.urls, path="/")
        headers = known.request_headers(model)
        session = make_session(known.connect_timeout, headers)
        failures = WebUIFailures(model, server="The web UI")
        connections = Connections(session, failures, known.connect_timeout)
        return cls(model, known, Replicas(urls), connections)

    def default_size(self) -> Size:
        return size_from(self._options.size)

    def check(self, request: ImageRequest) -> None:
        check(request)

    def job(self, replica: Replica, request: ImageRequest, index: int, *, queued: bool) -> WebUIJob:
        return WebUIJob(WebUI(self.connections, replica), request, self._options, index)

    async def models(self) -> tuple[str, ...]:
        """The checkpoints, without the endings of their files."""
        attempts = Attempts(self.replicas, (), len(self.replicas.all))
        while True:
            with attempts.next() as replica:
                known = await WebUI(self.connections, replica).list("sd-models")
                return tuple(dict.fromkeys(one.model_name for one in known))
