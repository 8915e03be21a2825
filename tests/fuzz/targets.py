"""What the cases are sent to: the routes of the server, with their bodies, and its models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openedai.api.route import body_of
from openedai.app import create_app
from openedai.config import Settings
from openedai.http.body import Body
from tests.fuzz.bodies import BODIES
from tests.process.settings_files import model_table, settings_file

# Requests make keys: the server needs one from the beginning.
KEY = "fuzz-0123456789"
_CALL = '<tool_call>{"name": "get_weather", "arguments": {"city": "a"}}</tool_call>'
ECHO_CONFIG = settings_file(
    model_table("echo", aliases=("parrot",), worker=False, context=600),
    model_table("owner/echo:latest", context=600),
    model_table("hosted", worker=True, context=600),
    model_table("reveal", worker=True, reveal=True),
    model_table("vision", vision=True, image_tokens=7),
    model_table("calls", reply=f"<think>x</think>{_CALL}"),
    api_key=KEY,
)
ECHO_MODELS = ("echo", "parrot", "owner/echo:latest", "hosted", "reveal", "vision", "calls")

REAL_MODELS = ("real",)
# What a text model of llama.cpp works on.
REAL_BODIES = (
    *("ChatCompletionRequest", "CompletionRequest", "MessagesRequest", "CountTokensRequest"),
    *("ChatBody", "GenerateBody", "TokenizeRequest", "DetokenizeRequest", "EngineGenerateRequest"),
    *("EncodeRequest", "DecodeRequest", "AnswerRequest", "ClassificationRequest", "EditRequest"),
)
_TEMPLATE: list[dict[str, Any]] = [
    {"messages": "x", "bos_token": 5, "add_generation_prompt": [], "raise_exception": 0},
    {"tools": {"a": 1}, "strftime_now": None, "documents": [1], "custom_tools": "\0"},
    {"loop": 1, "range": 10**9, "namespace": {}, "enable_thinking": "{{ 7 * 7 }}"},
]


def real_config(weights: Path) -> str:
    """The settings of a server with a text model."""
    options: dict[str, Any] = {"context": 160, "slots": 8, "batch": 64}
    real = model_table("real", engine="llama_cpp", source=weights, **options)
    return settings_file(model_table("echo"), real, chat_model="real", api_key=KEY)


_ENDLESS = frozenset({"/console/api/now", "/console/api/logs"})


@dataclass(frozen=True)
class Target:
    """A route. `bodies` are valid ones, but for the model; empty where there is no body."""

    method: str
    path: str
    bodies: Sequence[dict[str, Any]] = ()
    accepts_json: bool = True
    accepts_form: bool = False


def all_targets() -> list[Target]:
    """Every route of the server but those whose answers do not end.

    Raises KeyError if a type of body has no valid one.
    """
    app = create_app(Settings(_env_file=None, builtin_models=False))
    routes = [route for route in app.state.routes if route.path not in _ENDLESS]
    pages = [Target("GET", path) for path in ("/docs", "/openapi.json", "/console/")]
    return pages + [_target(route.method, route.path, route.endpoint.handler()) for route in routes]


def real_targets() -> list[Target]:
    bodies = {name: BODIES[name] for name in REAL_BODIES}
    bodies["ChatCompletionRequest"] = [
        *bodies["ChatCompletionRequest"],
        *(BODIES["ChatCompletionRequest"][1] | {"chat_template_kwargs": one} for one in _TEMPLATE),
    ]
    found = {id(BODIES[name]): bodies[name] for name in bodies}
    return [
        Target(one.method, one.path, found[id(one.bodies)])
        for one in all_targets()
        if id(one.bodies) in found
    ]


def _target(method: str, path: str, handler: Any) -> Target:
    body = body_of(handler)
    if body is None:
        return Target(method, path)
    assert issubclass(body, Body)
    return Target(method, path, BODIES[body.__name__], body.accepts_json, body.accepts_form)
