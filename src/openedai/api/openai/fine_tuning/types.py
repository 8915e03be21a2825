"""The bodies and queries of `/v1/fine_tuning/jobs`."""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Literal

from pydantic import Field

from openedai.api.parameters.pages import Query
from openedai.api.parameters.unions import BY_JSON_TYPE, branch
from openedai.errors import InvalidRequest, invalid_value
from openedai.http.body import AllowedOnly, Body, Refused, UnsupportedValues
from openedai.serving.fine_tuning.jobs import NewJob
from openedai.store.fine_tuning import JobRecord

Auto = Annotated[Literal["auto"], branch("a string")]
Epochs = Annotated[
    Auto | Annotated[int, Field(ge=1, le=50), branch("something else")], BY_JSON_TYPE
]
BatchSize = Annotated[
    Auto | Annotated[int, Field(ge=1, le=256), branch("something else")], BY_JSON_TYPE
]
Multiplier = Annotated[
    Auto | Annotated[float, Field(gt=0, le=100), branch("something else")], BY_JSON_TYPE
]
Beta = Annotated[Auto | Annotated[float, Field(gt=0, le=2), branch("something else")], BY_JSON_TYPE]
SUFFIX = Field(None, min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")
MAX_SEED = (1 << 31) - 1


class HyperparametersBody(Body):
    n_epochs: Epochs | None = None
    batch_size: BatchSize | None = None
    learning_rate_multiplier: Multiplier | None = None

    def given(self) -> dict[str, Any]:
        """The hyperparameters that are not `auto`."""
        fields = self.model_dump(exclude_none=True)
        return {name: value for name, value in fields.items() if value != "auto"}


class DpoHyperparameters(HyperparametersBody):
    beta: Beta | None = None


class Supervised(Body):
    hyperparameters: HyperparametersBody | None = None


class Dpo(Body):
    hyperparameters: DpoHyperparameters | None = None


class MethodBody(Body):
    type: Annotated[
        Literal["supervised", "dpo", "reinforcement"], UnsupportedValues("reinforcement")
    ]
    supervised: Supervised | None = None
    dpo: Dpo | None = None
    reinforcement: Refused = None


class JobCreateRequest(Body):
    model: str
    training_file: Annotated[str, Field(min_length=1, max_length=128)]
    validation_file: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    hyperparameters: HyperparametersBody | None = None
    method: MethodBody | None = None
    suffix: str | None = SUFFIX
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] | None = None
    metadata: dict[str, str] | None = None
    integrations: Annotated[Any, AllowedOnly(([],))] = None

    def check(self) -> None:
        method = self.method
        if self.metadata is not None:
            check_metadata(self.metadata)
        if method is None:
            return
        if self.hyperparameters is not None:
            raise InvalidRequest(
                "Invalid 'hyperparameters': they belong into the 'method', if there is one.",
                code="invalid_value",
                param="hyperparameters",
            )
        for name in ("supervised", "dpo"):
            if name != method.type and getattr(method, name) is not None:
                reason = f"the method has the type '{method.type}'"
                raise invalid_value(f"method.{name}", reason)

    def new_job(self) -> NewJob:
        method = self.method or MethodBody(type="supervised")
        own = method.dpo if method.type == "dpo" else method.supervised
        values = self.hyperparameters or (None if own is None else own.hyperparameters)
        return NewJob(
            model=self.model,
            training_file=self.training_file,
            validation_file=self.validation_file,
            method=method.type,
            given={} if values is None else values.given(),
            seed=secrets.randbelow(MAX_SEED) if self.seed is None else self.seed,
            suffix=self.suffix,
            metadata=self.metadata,
        )


class EventListQuery(Query):
    order: Literal["desc"] = "desc"


class CheckpointListQuery(EventListQuery):
    limit: int = Field(10, ge=1, le=100)


class JobListQuery(EventListQuery):
    """`metadata` is sent as `metadata[key]=value`; the text `null` means the jobs without any."""

    metadata: (
        Annotated[
            Annotated[Literal["null"], branch("a string")]
            | Annotated[dict[str, str], branch("an object")],
            BY_JSON_TYPE,
        ]
        | None
    ) = None

    def matches(self, job: JobRecord) -> bool:
        """Whether a job has the metadata that is asked for."""
        if self.metadata == "null":
            return job.metadata is None
        return (self.metadata or {}).items() <= (job.metadata or {}).items()


class PermissionListQuery(Body):
    limit: int = Field(10, ge=1, le=100)
    after: str | None = None
    order: Literal["ascending", "descending"] = "descending"
    project_id: str | None = None


class PermissionCreateRequest(Body):
    project_ids: list[str]


def check_metadata(metadata: dict[str, str]) -> None:
    """Raise InvalidRequest for more than the API allows."""
    if len(metadata) > 16:
        raise invalid_value("metadata", "it has more than 16 keys")
    for key, value in metadata.items():
        if len(key) > 64 or len(value) > 512:
            raise invalid_value("metadata", "a key has more than 64 characters, or a value 512")
