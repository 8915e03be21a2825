"""A fake of ComfyUI: its HTTP and websocket API, with quick images.

Kept faithful where clients notice: a queue that can be edited, an interrupt that hits the running
prompt, events for the client that sent the prompt, previews as binary messages, and its errors.
"""

from __future__ import annotations

import asyncio
import json
import struct
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from PIL import Image

from tests.engines.image_servers import comfy_nodes
from tests.engines.image_servers.fake_image import FakeImage, decode_bytes, jpeg, png
from tests.engines.image_servers.webui_state import JobState, Steps


class Interrupted(Exception):
    """The running prompt was interrupted."""


@dataclass
class Prompt:
    """A workflow in the queue."""

    number: int
    id: str
    workflow: dict[str, Any]
    client: str | None
    messages: list[Any] = field(default_factory=list)

    def fields(self) -> list[Any]:
        return [self.number, self.id, self.workflow, {"client_id": self.client}, []]


@dataclass
class Comfy:
    """One server. `failure` is raised by every sampler after its first step. With `targeted`,
    it obeys the ids that clients give in `/prompt` and `/interrupt`, as newer versions do.
    `silent`: it takes requests and does not answer. `forgets`: it has no history, as after a
    restart. `sockets`: whether websockets get through.
    `received` has the bodies by path, `traces` the trace of each request.
    """

    targeted: bool = True
    previews: bool = True
    silent: bool = False
    forgets: bool = False
    sockets: bool = True
    failure: Exception | None = None
    steps: Steps = field(default_factory=Steps)
    received: list[tuple[str, Any]] = field(default_factory=list)
    traces: list[str | None] = field(default_factory=list)
    uploads: dict[str, bytes] = field(default_factory=dict)
    history: dict[str, Any] = field(default_factory=dict)
    pending: list[Prompt] = field(default_factory=list)
    running: Prompt | None = None
    url: str = ""
    _state: JobState = field(default_factory=JobState)
    _outputs: dict[str, bytes] = field(default_factory=dict)
    _sockets: dict[str, web.WebSocketResponse] = field(default_factory=dict)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _transports: set[Any] = field(default_factory=set)
    _runner: web.AppRunner | None = None
    _worker: asyncio.Task[None] | None = None
    _numbers: int = 0

    def count(self, path: str) -> int:
        return sum(1 for name, _ in self.received if name == path)

    def bodies(self, path: str) -> list[Any]:
        return [body for name, body in self.received if name == path]

    @property
    def idle(self) -> bool:
        return self.running is None and not self.pending

    def interrupt(self) -> None:
        """End the prompt that runs."""
        self._state.interrupted = True
        self.steps.wake()

    async def start(self) -> None:
        app = web.Application(client_max_size=100 << 20, middlewares=[self._record])
        app.add_routes(
            [
                web.get("/ws", self._ws),
                web.get("/prompt", self._queue_info),
                web.post("/prompt", self._post_prompt),
                web.get("/queue", self._get_queue),
                web.post("/queue", self._post_queue),
                web.post("/interrupt", self._interrupt),
                web.get("/history/{id}", self._get_history),
                web.post("/history", self._post_history),
                web.get("/view", self._view),
                web.post("/upload/image", self._upload),
                web.get("/system_stats", self._stats),
                web.get("/models/checkpoints", self._checkpoints),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._worker = asyncio.create_task(self._work())

    async def die(self) -> None:
        """End as a killed process does: connections are reset and nothing listens any more."""
        if self._runner is None or self._worker is None:
            return
        for site in tuple(self._runner.sites):
            await site.stop()
        for transport in self._transports:
            transport.abort()
        self._worker.cancel()
        await asyncio.gather(self._worker, return_exceptions=True)
        await self._runner.cleanup()
        self._runner = None

    @web.middleware
    async def _record(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.transport is not None:
            self._transports.add(request.transport)
        body = None
        if request.content_type == "application/json" and request.can_read_body:
            body = await request.json()
        self.traces.append(request.headers.get("traceparent"))
        self.received.append((request.path, body))
        answer: web.StreamResponse = await handler(request)
        if self.silent:
            await asyncio.Event().wait()
        return answer

    async def _post_prompt(self, request: web.Request) -> web.Response:
        body = await request.json()
        if "prompt" not in body:
            error = {"type": "no_prompt", "message": "No prompt provided", "details": ""}
            return web.json_response({"error": error, "node_errors": {}}, status=400)
        problem, node_errors = comfy_nodes.check(body["prompt"])
        if problem is not None:
            answer = {"error": problem.fields(), "node_errors": node_errors}
            return web.json_response(answer, status=400)
        requested = body.get("prompt_id") if self.targeted else None
        id = requested or str(uuid.uuid4())
        prompt = Prompt(self._numbers, id, body["prompt"], body.get("client_id"))
        self._numbers += 1
        self.pending.append(prompt)
        self._arrived.set()
        return web.json_response(
            {"prompt_id": prompt.id, "number": prompt.number, "node_errors": {}}
        )

    async def _get_queue(self, request: web.Request) -> web.Response:
        running = [self.running.fields()] if self.running else []
        pending = [prompt.fields() for prompt in self.pending]
        return web.json_response({"queue_running": running, "queue_pending": pending})

    async def _queue_info(self, request: web.Request) -> web.Response:
        return web.json_response(self._status())

    def _status(self) -> dict[str, Any]:
        remaining = len(self.pending) + (self.running is not None)
        return {"exec_info": {"queue_remaining": remaining}}

    async def _post_queue(self, request: web.Request) -> web.Response:
        gone = set((await request.json()).get("delete", ()))
        self.pending = [prompt for prompt in self.pending if prompt.id not in gone]
        return web.Response()

    async def _interrupt(self, request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else {}
        requested = body.get("prompt_id") if self.targeted else None
        if requested is None or (self.running is not None and self.running.id == requested):
            self.interrupt()
        return web.Response()

    async def _get_history(self, request: web.Request) -> web.Response:
        id = request.match_info["id"]
        return web.json_response({id: self.history[id]} if id in self.history else {})

    async def _post_history(self, request: web.Request) -> web.Response:
        for id in (await request.json()).get("delete", ()):
            self.history.pop(id, None)
        return web.Response()

    async def _view(self, request: web.Request) -> web.Response:
        data = self._outputs.get(request.query.get("filename", ""))
        if data is None:
            return web.Response(status=404)
        return web.Response(body=data, content_type="image/png")

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        image = form.get("image")
        if not isinstance(image, web.FileField):
            return web.Response(status=400)
        folder, kind = str(form.get("subfolder", "")), str(form.get("type", "input"))
        name = f"{folder}/{image.filename}".lstrip("/") + ("" if kind == "input" else f" [{kind}]")
        self.uploads[name] = image.file.read()
        return web.json_response({"name": image.filename, "subfolder": folder, "type": kind})

    async def _stats(self, request: web.Request) -> web.Response:
        return web.json_response({"system": {"comfyui_version": "0.3.60"}, "devices": []})

    async def _checkpoints(self, request: web.Request) -> web.Response:
        return web.json_response(comfy_nodes.CHECKPOINTS)

    async def _ws(self, request: web.Request) -> web.StreamResponse:
        if not self.sockets:
            raise web.HTTPBadRequest
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        client = request.query.get("clientId") or uuid.uuid4().hex
        self._sockets[client] = socket
        try:
            status = {"status": self._status(), "sid": client}
            await socket.send_json({"type": "status", "data": status})
            async for _ in socket:
                pass
        finally:
            self._sockets.pop(client, None)
        return socket

    async def _send(self, prompt: Prompt, name: str, **data: Any) -> None:
        data["prompt_id"] = prompt.id
        if name.startswith("execution_"):
            prompt.messages.append([name, data])
        await self._send_to(prompt, json.dumps({"type": name, "data": data}))

    async def _send_to(self, prompt: Prompt, message: str | bytes) -> None:
        socket = self._sockets.get(prompt.client or "")
        if socket is None or socket.closed:
            return
        if isinstance(message, str):
            await socket.send_str(message)
        else:
            await socket.send_bytes(message)

    async def _work(self) -> None:
        while True:
            while not self.pending:
                self._arrived.clear()
                await self._arrived.wait()
            self.running = self.pending.pop(0)
            try:
                await self._execute(self.running)
            finally:
                self.running = None

    async def _execute(self, prompt: Prompt) -> None:
        self._state = JobState()
        outputs: dict[str, Any] = {}
        await self._send(prompt, "execution_start")
        await self._send(prompt, "execution_cached", nodes=[])
        try:
            run = comfy_nodes.Run(prompt.workflow, self._files(), self._sampler(prompt))
            for number, node in prompt.workflow.items():
                if node["class_type"] in comfy_nodes.OUTPUTS:
                    await self._send(prompt, "executing", node=number)
                    outputs[number] = self._save(node, await run.images(number))
                    await self._send(prompt, "executed", node=number, output=outputs[number])
            await self._send(prompt, "execution_success")
        except Interrupted:
            await self._send(prompt, "execution_interrupted", node_id="", node_type="", executed=[])
        except Exception as error:
            await self._send(
                prompt,
                "execution_error",
                node_type="KSampler",
                exception_message=f"{error}\n",
                exception_type=type(error).__name__,
                traceback=['  File "/opt/ComfyUI/execution.py", line 1\n'],
            )
        succeeded = prompt.messages[-1][0] == "execution_success"
        status = {"status_str": "success" if succeeded else "error", "completed": succeeded}
        if self.forgets:
            return
        self.history[prompt.id] = {
            "prompt": prompt.fields(),
            "outputs": outputs,
            "status": {**status, "messages": prompt.messages},
            "meta": {},
        }
        await self._send(prompt, "executing", node=None)

    def _files(self) -> dict[str, Image.Image]:
        return {name: decode_bytes(data) for name, data in self.uploads.items()}

    def _sampler(self, prompt: Prompt) -> Any:
        async def sample(number: str, fakes: list[FakeImage]) -> None:
            await self._send(prompt, "executing", node=number)
            steps = fakes[0].steps
            for step in range(1, steps + 1):
                await self.steps.before(step, self._state)
                if self._state.interrupted:
                    raise Interrupted
                if self.failure is not None:
                    raise self.failure
                await self._send(prompt, "progress", value=step, max=steps, node=number)
                if self.previews:
                    data = jpeg(fakes[0].paint(step))
                    await self._send_to(prompt, struct.pack(">II", 1, 1) + data)

        return sample

    def _save(self, node: dict[str, Any], images: list[Image.Image]) -> dict[str, Any]:
        kind = "output" if node["class_type"] == "SaveImage" else "temp"
        prefix = node["inputs"].get("filename_prefix", "ComfyUI_temp")
        saved = []
        for image in images:
            name = f"{prefix}_{len(self._outputs):05}_.png"
            self._outputs[name] = png(image)
            saved.append({"filename": name, "subfolder": "", "type": kind})
        return {"images": saved}


@asynccontextmanager
async def comfyui(**fields: Any) -> AsyncIterator[Comfy]:
    """A fake that listens; leaving stops it."""
    server = Comfy(**fields)
    await server.start()
    try:
        yield server
    finally:
        await server.die()
