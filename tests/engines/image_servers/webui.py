"""A fake of AUTOMATIC1111's web UI, of Forge and of SD.Next: their HTTP API, with quick images.

Kept faithful where clients notice: one job at a time behind a lock, jobs that go on when their
client has left, interrupts that hit whatever job is running, unknown checkpoints that are ignored,
sizes cut to multiples of 8, and the several shapes of errors.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

from tests.engines.image_servers.fake_image import FakeImage, encode, jpeg, png
from tests.engines.image_servers.webui_bodies import (
    ApiError,
    Handler,
    answer_errors,
    checkpoint,
    credentials,
    infotext,
    next_seed,
    read_fields,
    read_image,
)
from tests.engines.image_servers.webui_state import Jobs, JobState

Flavour = Literal["a1111", "forge", "sdnext"]


@dataclass
class WebUI:
    """One server. Change its fields to change what it does.

    `tasks_known`: whether `/internal/progress` exists, as it does not with `--nowebui`.
    `failure` is raised by every job after its first step. `api`: whether it was started with
    `--api`. `silent`: it takes requests and does not answer. `hides_its_work`: it says that it does
    nothing. `received` has the bodies by path, `traces` the trace of each request.
    """

    flavour: Flavour = "a1111"
    credentials: tuple[str, str] | None = None
    checkpoints: tuple[str, ...] = ("v1-5-pruned-emaonly", "dreamshaper_8")
    samplers: tuple[str, ...] = ("DPM++ 2M", "Euler", "Euler a", "DDIM")
    tasks_known: bool = True
    previews_every: int | None = 1
    samples_format: Literal["png", "jpg"] = "png"
    failure: Exception | None = None
    api: bool = True
    silent: bool = False
    hides_its_work: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    received: list[tuple[str, Any]] = field(default_factory=list)
    traces: list[str | None] = field(default_factory=list)
    jobs: Jobs = field(default_factory=Jobs)
    url: str = ""
    _runner: web.AppRunner | None = None
    _transports: set[Any] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.options.setdefault("sd_model_checkpoint", self.checkpoints[0])
        self.options.setdefault("samples_format", self.samples_format)

    def count(self, path: str) -> int:
        """How often a path below `/sdapi/v1/` was requested."""
        return sum(1 for name, _ in self.received if name == f"/sdapi/v1/{path}")

    def bodies(self, path: str) -> list[Any]:
        return [body for name, body in self.received if name == f"/sdapi/v1/{path}"]

    async def start(self, port: int = 0) -> None:
        app = web.Application(client_max_size=1 << 30, middlewares=[answer_errors, self._guard])
        for method, path, handler in self._routes():
            app.router.add_route(method, path, handler)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def die(self) -> None:
        """End as a killed process does: connections are reset and nothing listens any more."""
        if self._runner is not None:
            for site in tuple(self._runner.sites):
                await site.stop()
            for transport in self._transports:
                transport.abort()
            self.jobs.interrupt()
            await self._runner.cleanup()
            self._runner = None

    def _routes(self) -> list[tuple[str, str, Handler]]:
        routes: list[tuple[str, str, Handler]] = [
            ("POST", "/sdapi/v1/txt2img", self._txt2img),
            ("POST", "/sdapi/v1/img2img", self._img2img),
            ("GET", "/sdapi/v1/progress", self._progress),
            ("POST", "/sdapi/v1/interrupt", self._interrupt),
            ("POST", "/sdapi/v1/skip", self._skip),
            ("GET", "/sdapi/v1/options", self._get_options),
            ("POST", "/sdapi/v1/options", self._set_options),
            ("GET", "/sdapi/v1/sd-models", self._models),
            ("GET", "/sdapi/v1/samplers", self._samplers),
            ("GET", "/sdapi/v1/upscalers", self._upscalers),
            ("GET", "/sdapi/v1/memory", self._memory),
            ("GET", "/internal/ping", self._ping),
        ]
        if self.tasks_known:
            routes.append(("POST", "/internal/progress", self._task_progress))
        return routes

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.transport is not None:
            self._transports.add(request.transport)
        if self.credentials is not None and request.path.startswith("/sdapi/"):
            given = request.headers.get("Authorization")
            if given is None:
                raise ApiError(401, "Not authenticated")
            if credentials(given) != self.credentials:
                raise ApiError(401, "Incorrect username or password")
        if not self.api and request.path.startswith("/sdapi/"):
            raise web.HTTPNotFound
        body = await request.read()
        self.traces.append(request.headers.get("traceparent"))
        self.received.append((request.path, json.loads(body) if body else None))
        answer = await handler(request)
        if self.silent:
            await asyncio.Event().wait()
        return answer

    async def _txt2img(self, request: web.Request) -> web.Response:
        return await self._make(await read_fields(request), "txt2img")

    async def _img2img(self, request: web.Request) -> web.Response:
        fields = await read_fields(request)
        if fields.get("init_images") is None:
            if self.flavour == "sdnext":
                return web.json_response({"error": "Init image is none"}, status=400)
            raise ApiError(404, "Init image not found")
        return await self._make(fields, "img2img")

    async def _make(self, fields: dict[str, Any], kind: str) -> web.Response:
        sampler = fields.get("sampler_name") or fields.get("sampler_index") or "Euler"
        if sampler not in self.samplers:
            raise ApiError(400, "Sampler not found")
        fake = self._fake_image(fields, kind)
        name = "API-TXT" if self.flavour == "sdnext" else f"scripts_{kind}"
        task = fields.get("force_task_id") or f"task({kind}-{len(self.received)})"
        if self.flavour == "sdnext":
            task = f"task({kind}-{len(self.received)})"
        count = fields.get("n_iter", 1) * fields.get("batch_size", 1)
        made = []
        async with self.jobs.turn(name, task) as state:
            state.job_count, state.sampling_steps = count, fake.steps
            for number in range(count):
                if state.interrupted:
                    break
                state.job_no, state.sampling_step = number, 0
                one = next_seed(fake, number)
                made.append((one, await self._sample(one, state)))
        return self._answer(fields, sampler, made)

    async def _sample(self, fake: FakeImage, state: JobState) -> Any:
        """The image, or what there is of it when the job is interrupted."""
        for step in range(1, fake.steps + 1):
            await self.jobs.steps.before(step, state)
            if state.interrupted:
                return fake.paint(step - 1)
            if self.failure is not None:
                raise self.failure
            state.sampling_step = step
            if self.previews_every and step % self.previews_every == 0:
                small = fake.paint(step).resize((fake.width // 8, fake.height // 8))
                self.jobs.show(small)
        return fake.paint()

    def _fake_image(self, fields: dict[str, Any], kind: str) -> FakeImage:
        requested = fields.get("override_settings", {}).get("sd_model_checkpoint")
        model = requested if requested in self._names() else self.options["sd_model_checkpoint"]
        if model == requested and not fields.get("override_settings_restore_afterwards", True):
            self.options["sd_model_checkpoint"] = model
        seed = fields.get("seed", -1)
        with_image = {}
        if kind == "img2img":
            mask = read_image(fields["mask"]) if fields.get("mask") else None
            if mask is not None and fields.get("inpainting_mask_invert"):
                mask = mask.convert("L").point([255 - value for value in range(256)])
            with_image = {
                "image": read_image(fields["init_images"][0]),
                "mask": mask,
                "strength": fields.get("denoising_strength", 0.75),
                "mask_blur": fields.get("mask_blur", 4),
            }
        return FakeImage(
            prompt=fields.get("prompt", ""),
            negative_prompt=fields.get("negative_prompt", ""),
            seed=seed if seed >= 0 else 12345,
            model=model.split(" ")[0].split(".")[0],
            width=fields.get("width", 512) // 8 * 8,
            height=fields.get("height", 512) // 8 * 8,
            steps=fields.get("steps", 50),
            **with_image,
        )

    def _answer(
        self, fields: dict[str, Any], sampler: str, made: list[tuple[FakeImage, Any]]
    ) -> web.Response:
        parameters = [infotext(fake, sampler) for fake, _ in made]
        files = [
            png(image, {"parameters": text})
            if self.options["samples_format"] == "png"
            else jpeg(image)
            for text, (_, image) in zip(parameters, made, strict=True)
        ]
        has_grid = len(files) > 1
        first = [files[0]] if has_grid else []
        info = {
            "prompt": fields.get("prompt", ""),
            "negative_prompt": fields.get("negative_prompt", ""),
            "seed": made[0][0].seed if made else -1,
            "all_seeds": [fake.seed for fake, _ in made],
            "all_prompts": [fake.prompt for fake, _ in made],
            "width": made[0][0].width if made else 0,
            "height": made[0][0].height if made else 0,
            "sampler_name": sampler,
            "steps": fields.get("steps", 50),
            "cfg_scale": fields.get("cfg_scale", 7.0),
            "sd_model_name": self.options["sd_model_checkpoint"],
            "index_of_first_image": len(first),
            "infotexts": parameters,
        }
        hidden = {**fields, "init_images": None, "mask": None}
        return web.json_response(
            {
                "images": [encode(data) for data in [*first, *files]],
                "parameters": hidden,
                "info": json.dumps(info),
            }
        )

    async def _progress(self, request: web.Request) -> web.Response:
        jobs = self.jobs
        answer: dict[str, Any] = {
            "progress": jobs.progress(),
            "eta_relative": 0.0,
            "state": jobs.state.fields(),
            "current_image": None,
            "textinfo": None,
        }
        if self.flavour == "sdnext":
            answer["id"] = jobs.current_task if jobs.state.job else ""
        skip = request.query.get("skip_current_image", "").lower() in ("true", "1")
        if self.hides_its_work:
            answer["state"] = JobState().fields()
        elif jobs.state.job_count and jobs.preview is not None and not skip:
            answer["current_image"] = encode(png(jobs.preview))
        return web.json_response(answer)

    async def _task_progress(self, request: web.Request) -> web.Response:
        body = await request.json()
        task, last = body.get("id_task"), body.get("id_live_preview", -1)
        jobs = self.jobs
        known = self.flavour != "sdnext"
        active = known and jobs.current_task is not None and task == jobs.current_task
        answer: dict[str, Any] = {
            "active": active,
            "queued": known and task in jobs.pending,
            "completed": known and task in jobs.finished,
            "progress": None,
            "eta": None,
            "live_preview": None,
            "id_live_preview": -1,
            "textinfo": "Waiting...",
        }
        if active:
            answer |= {"progress": jobs.progress(), "textinfo": None, "id_live_preview": last}
            if body.get("live_preview", True) and jobs.preview and jobs.preview_number != last:
                answer["live_preview"] = f"data:image/png;base64,{encode(png(jobs.preview))}"
                answer["id_live_preview"] = jobs.preview_number
        return web.json_response(answer)

    async def _interrupt(self, request: web.Request) -> web.Response:
        self.jobs.interrupt()
        return web.json_response({})

    async def _skip(self, request: web.Request) -> web.Response:
        self.jobs.skip()
        return web.json_response(None)

    async def _get_options(self, request: web.Request) -> web.Response:
        return web.json_response(self.options)

    async def _set_options(self, request: web.Request) -> web.Response:
        given = await request.json()
        name = given.get("sd_model_checkpoint")
        if name is not None and name not in self._names():
            raise RuntimeError(f"model {name!r} not found")
        self.options.update(given)
        return web.json_response(None)

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response([checkpoint(name) for name in self.checkpoints])

    def _names(self) -> set[str]:
        entries = map(checkpoint, self.checkpoints)
        return {entry[key] for entry in entries for key in ("title", "model_name", "hash")}

    async def _samplers(self, request: web.Request) -> web.Response:
        return web.json_response(
            [{"name": name, "aliases": [], "options": {}} for name in self.samplers]
        )

    async def _upscalers(self, request: web.Request) -> web.Response:
        names = ["None", "Lanczos", "Nearest"]
        empty = {"model_name": None, "model_path": None, "model_url": None, "scale": 4}
        return web.json_response([{"name": name, **empty} for name in names])

    async def _memory(self, request: web.Request) -> web.Response:
        return web.json_response(
            {"ram": {"free": 1e9, "used": 1e9, "total": 2e9}, "cuda": {"error": "unavailable"}}
        )

    async def _ping(self, request: web.Request) -> web.Response:
        return web.json_response({})


@asynccontextmanager
async def webui(**fields: Any) -> AsyncIterator[WebUI]:
    """A fake that listens; leaving stops it and every job."""
    server = WebUI(**fields)
    await server.start()
    try:
        yield server
    finally:
        server.jobs.steps.resume()
        await server.die()
