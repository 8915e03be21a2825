"""Images by ComfyUI, or several equal ones, with workflows that have named slots.

    engine      requests of the contract
    workflows   which workflow a request needs (workflow, templates/)
    values      what goes into its slots
    job         one image on one ComfyUI
    api         the HTTP API of ComfyUI (previews, watch)
    failures    what its errors mean

`openedai.engines.image_server` chooses the ComfyUI, and `openedai.engines.remote` has the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from openedai.contract.engine import Directory
from openedai.contract.images import ImageRequest
from openedai.engines.comfyui.api import Comfy
from openedai.engines.comfyui.failures import ComfyFailures
from openedai.engines.comfyui.job import ComfyJob, Work
from openedai.engines.comfyui.options import ComfyOptions
from openedai.engines.comfyui.values import check_values
from openedai.engines.comfyui.workflows import Workflows, load_workflows
from openedai.engines.image_server.image_files import Size
from openedai.engines.image_server.options import size_from
from openedai.engines.image_server.server import ImageServer
from openedai.engines.options import parse_options
from openedai.engines.remote.attempts import Attempts
from openedai.engines.remote.connection import Connections, make_session
from openedai.engines.remote.options import base_urls
from openedai.engines.remote.replicas import Replica, Replicas


class ComfyUI(ImageServer, Directory):
    """A workflow of ComfyUI, with one checkpoint or with all of them."""

    def __init__(
        self,
        options: ComfyOptions,
        workflows: Workflows,
        replicas: Replicas,
        connections: Connections,
    ) -> None:
        super().__init__(options, replicas, connections, health_path="queue")
        self._options = options
        self._workflows = workflows

    @classmethod
    async def load(cls, model: str, path: Path | None, options: Mapping[str, Any]) -> Self:
        """Raises EngineFailed for wrong options. Nothing is sent: ComfyUI may be down."""
        known = parse_options(ComfyOptions, model, options)
        urls = base_urls(model, known.url, known.urls, path="/")
        headers = known.request_headers(model)
        workflows = await asyncio.to_thread(load_workflows, model, known)
        session = make_session(known.connect_timeout, headers)
        failures = ComfyFailures(model, server="The ComfyUI")
        connections = Connections(session, failures, known.connect_timeout)
        return cls(known, workflows, Replicas(urls), connections)

    def default_size(self) -> Size | None:
        generate = self._workflows.generate
        if generate is None or "width" not in generate.slots:
            return None
        return size_from(self._options.size)

    def check(self, request: ImageRequest) -> None:
        check_values(request, self._workflows.choose(request), self._options)

    def job(self, replica: Replica, request: ImageRequest, index: int, *, queued: bool) -> ComfyJob:
        workflow = self._workflows.choose(request)
        work = Work(request, workflow, self._options, index, queued)
        return ComfyJob(Comfy(self.connections, replica), work)

    async def models(self) -> tuple[str, ...]:
        """The files of the checkpoints."""
        attempts = Attempts(self.replicas, (), len(self.replicas.all))
        while True:
            with attempts.next() as replica:
                return tuple(await Comfy(self.connections, replica).checkpoints())
