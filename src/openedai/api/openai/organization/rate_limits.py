"""`/v1/organization/projects/{project_id}/rate_limits`: the limits of a project by model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.parameters.pages import Page
from openedai.api.route import takes
from openedai.catalog.catalog import Catalog
from openedai.config import Settings
from openedai.config.limits import Limits
from openedai.errors import NotFound, invalid_value
from openedai.http.body import AllowedOnly, Body
from openedai.http.respond import json_response
from openedai.security.identities import configured
from openedai.serving.limits.projects import ProjectLimits
from openedai.store.keys.projects import Projects

# The official objects always have numbers; this is the largest that all clients can read.
NO_LIMIT = 2**53 - 1
_PREFIX = "rl-"
_REQUIRED = {
    "max_requests_per_1_minute": "requests_per_minute",
    "max_tokens_per_1_minute": "tokens_per_minute",
}
_OPTIONAL = {
    "max_images_per_1_minute": "images_per_minute",
    "max_audio_megabytes_per_1_minute": "audio_megabytes_per_minute",
    "max_requests_per_1_day": "requests_per_day",
}

_Limit = Annotated[int, Field(ge=1, le=NO_LIMIT)]
_Id = Annotated[str, Field(max_length=512)]


class RateLimitQuery(Body):
    after: _Id | None = None
    before: _Id | None = None
    limit: int = Field(100, ge=1, le=1000)

    def check(self) -> None:
        if self.after is not None and self.before is not None:
            raise invalid_value("before", "it cannot be used with 'after'")


class RateLimitUpdateRequest(Body):
    """Limits that replace the existing ones; those that are not given stay."""

    max_requests_per_1_minute: _Limit | None = None
    max_tokens_per_1_minute: _Limit | None = None
    max_images_per_1_minute: _Limit | None = None
    max_audio_megabytes_per_1_minute: _Limit | None = None
    max_requests_per_1_day: _Limit | None = None
    batch_1_day_max_input_tokens: Annotated[Any, AllowedOnly()] = None

    def limits(self) -> Limits:
        """The limits by the names of the settings, where 0 means no limit."""
        given = {ours: getattr(self, name) for name, ours in (_REQUIRED | _OPTIONAL).items()}
        return Limits(**{name: 0 if value == NO_LIMIT else value for name, value in given.items()})


class ProjectRateLimits:
    def __init__(
        self,
        calls: Calls,
        catalog: Catalog,
        limits: ProjectLimits,
        projects: Projects,
        settings: Settings,
    ) -> None:
        self._calls = calls
        self._catalog = catalog
        self._limits = limits
        self._projects = projects
        self._configured = frozenset(one.project for _, one in configured(settings))

    async def list_limits(self, request: Request) -> Response:
        query, headers = self._calls.query(request, RateLimitQuery)
        project = await self._project(request)
        await self._limits.load()
        objects = [
            _rate_limit(model.id, self._limits.effective(project, model.id))
            for model in self._catalog.models()
        ]
        return json_response(_page(objects, query), headers=headers)

    @takes(RateLimitUpdateRequest)
    async def update(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, RateLimitUpdateRequest)
        project = await self._project(request)
        id: str = request.path_params["rate_limit_id"]
        model = id.removeprefix(_PREFIX)
        if id == model or model not in {one.id for one in self._catalog.models()}:
            raise NotFound(f"No rate limit found with id '{id[:100]}'.", param="rate_limit_id")
        await self._limits.change(project, model, body.limits())
        return json_response(
            _rate_limit(model, self._limits.effective(project, model)), headers=headers
        )

    async def _project(self, request: Request) -> str:
        """The id of a project in the store, or of a key in the settings. Raises NotFound."""
        id: str = request.path_params["project_id"]
        return id if id in self._configured else (await self._projects.find(id)).id


def _rate_limit(model: str, limits: Mapping[str, int]) -> dict[str, Any]:
    return {
        "id": f"{_PREFIX}{model}",
        "object": "project.rate_limit",
        "model": model,
        **{name: limits.get(ours, NO_LIMIT) for name, ours in _REQUIRED.items()},
        **{name: limits[ours] for name, ours in _OPTIONAL.items() if ours in limits},
    }


def _page(objects: Sequence[dict[str, Any]], query: RateLimitQuery) -> Page:
    """A page of the list; an id that is not in the list is ignored."""
    ids = [one["id"] for one in objects]
    if query.before in ids:
        end = ids.index(query.before)
        start = max(0, end - query.limit)
        more = start > 0
    else:
        start = ids.index(query.after) + 1 if query.after in ids else 0
        end = start + query.limit
        more = end < len(ids)
    shown = objects[start:end]
    first, last = (shown[0]["id"], shown[-1]["id"]) if shown else (None, None)
    return Page(shown, first, last, more)
