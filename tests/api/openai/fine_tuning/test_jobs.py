"""`/v1/fine_tuning/jobs` where nothing can be trained: torch is not installed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from openai import APIStatusError, OpenAI

from openedai.store.fine_tuning import FineTuningRecords, JobRecord, TunedModel
from openedai.store.store import Store
from tests.support import ServerThread, echo_settings

JOB: dict[str, Any] = {"model": "echo", "training_file": "file-1"}


@pytest.mark.skipif(find_spec("torch") is not None, reason="torch is installed")
def test_it_says_what_is_missing(client: OpenAI) -> None:
    with pytest.raises(APIStatusError) as caught:
        client.fine_tuning.jobs.create(**JOB)
    error = caught.value
    assert (error.status_code, error.code) == (400, "training_not_installed")
    assert "pip install 'openedai[training]'" in str(error)


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"model": 1}, "model", "invalid_type"),
        ({"training_file": ""}, "training_file", "string_below_min_length"),
        ({"seed": -1}, "seed", "integer_below_min_value"),
        ({"suffix": "a:b"}, "suffix", "invalid_value"),
        ({"suffix": "a" * 65}, "suffix", "string_above_max_length"),
        (
            {"hyperparameters": {"n_epochs": 51}},
            "hyperparameters.n_epochs",
            "integer_above_max_value",
        ),
        ({"hyperparameters": {"n_epochs": "many"}}, "hyperparameters.n_epochs", "invalid_value"),
        ({"hyperparameters": {}, "method": {"type": "dpo"}}, "hyperparameters", "invalid_value"),
        ({"method": {"type": "reinforcement"}}, "method.type", "unsupported_value"),
        ({"method": {"type": "dpo", "supervised": {}}}, "method.supervised", "invalid_value"),
        ({"integrations": [{"type": "wandb"}]}, "integrations", "unsupported_parameter"),
        ({"metadata": {"k" * 65: "v"}}, "metadata", "invalid_value"),
        ({"colour": 1}, "colour", "unknown_parameter"),
    ],
)
def test_bodies_that_are_not_valid(
    client: OpenAI, change: dict[str, Any], param: str, code: str
) -> None:
    with pytest.raises(APIStatusError) as caught:
        client.post("/fine_tuning/jobs", body={**JOB, **change}, cast_to=object)
    assert caught.value.status_code == 400
    assert (caught.value.param, caught.value.code) == (param, code)


def test_there_are_no_jobs(client: OpenAI) -> None:
    assert client.fine_tuning.jobs.list().data == []
    for method in (
        *(client.fine_tuning.jobs.retrieve, client.fine_tuning.jobs.cancel),
        *(client.fine_tuning.jobs.pause, client.fine_tuning.jobs.resume),
        *(client.fine_tuning.jobs.list_events, client.fine_tuning.jobs.checkpoints.list),
    ):
        with pytest.raises(APIStatusError) as caught:
            method("ftjob-nothing")
        assert (caught.value.status_code, caught.value.code) == (404, "fine_tune_not_found")


@pytest.fixture(scope="module")
def client_of_jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAI]:
    folder = tmp_path_factory.mktemp("data")
    asyncio.run(fill(folder))
    with ServerThread(echo_settings(data=folder)) as running, running.client() as client:
        yield client


METADATA: list[dict[str, str] | None] = [
    *(None, {"team": "a"}, {"team": "b", "x[y]": ""}, {"team": "a", "x[y]": "1&=/\u00e9"}),
    *[{}] * 250,
]
MODEL = "ft:echo:openedai::a:ckpt-step-1"


async def fill(folder: Path) -> None:
    """A store with a job for each of METADATA, the newest one last, and a model."""
    store = Store(folder, "", "")
    records = FineTuningRecords(store)
    async with (await store.database()).write() as query:
        for number, metadata in enumerate(METADATA):
            id = f"ftjob-{number:03}"
            job = JobRecord(
                id=id, created_at=0.0, model="echo", training_file="file-1", metadata=metadata
            )
            await records.insert(query, job)
        await records.add_model(query, TunedModel(MODEL, "echo", "ftjob-000", "content", 0.0, ""))
    await store.close()


@pytest.mark.parametrize(
    ("metadata", "found"),
    [
        ({"team": "a"}, [3, 1]),
        ({"x[y]": ""}, [2]),
        ({"team": "a", "x[y]": "1&=/\u00e9"}, [3]),
        ({"team": "c"}, []),
        ({"team": "b", "x[y]": "1"}, []),
    ],
)
def test_jobs_by_metadata(
    client_of_jobs: OpenAI, metadata: dict[str, str], found: list[int]
) -> None:
    pages = client_of_jobs.fine_tuning.jobs.list(metadata=metadata, limit=1)
    assert [job.id for job in pages] == [f"ftjob-{number:03}" for number in found]


def test_jobs_without_metadata(client_of_jobs: OpenAI) -> None:
    jobs = client_of_jobs.fine_tuning.jobs
    assert [job.id for job in jobs.list(extra_query={"metadata": "null"})] == ["ftjob-000"]
    assert len(list(jobs.list(metadata={}, limit=100))) == len(METADATA)
    for query, param in (
        ({"metadata": "x"}, "metadata"),
        ({"metadata": "null", "metadata[a]": "b"}, "metadata[a]"),
        ({"metadata[]": "b"}, "metadata"),
    ):
        with pytest.raises(APIStatusError) as caught:
            jobs.list(extra_query=query)
        assert (caught.value.status_code, caught.value.param) == (400, param)


def test_checkpoints_need_no_permissions(client_of_jobs: OpenAI) -> None:
    permissions = client_of_jobs.fine_tuning.checkpoints.permissions
    assert list(permissions.list(MODEL, order="ascending")) == []
    with pytest.raises(APIStatusError) as caught:
        permissions.create(MODEL, project_ids=["proj_1"])
    assert (caught.value.param, caught.value.code) == ("project_ids", "unsupported_parameter")
    with pytest.raises(APIStatusError) as caught:
        permissions.delete("cp_1", fine_tuned_model_checkpoint=MODEL)
    assert caught.value.code == "unsupported_parameter"
    with pytest.raises(APIStatusError) as caught:
        permissions.list("ft:echo:openedai::b")
    assert (caught.value.status_code, caught.value.code) == (404, "model_not_found")


def test_only_tuned_models_are_deleted(client: OpenAI) -> None:
    with pytest.raises(APIStatusError, match="cannot be deleted"):
        client.models.delete("echo")
    with pytest.raises(APIStatusError) as caught:
        client.models.delete("ft:echo:openedai::nothing")
    assert (caught.value.status_code, caught.value.code) == (404, "model_not_found")


def test_the_older_urls(client: OpenAI) -> None:
    assert client.get("/fine-tunes", cast_to=object) == {"object": "list", "data": []}
    for end in ("", "/events", "/events?stream=true"):
        with pytest.raises(APIStatusError) as caught:
            client.get(f"/fine-tunes/ft-1{end}", cast_to=object)
        assert (caught.value.status_code, caught.value.code) == (404, "fine_tune_not_found")
    body = {"training_file": "file-1", "classification_n_classes": 2}
    with pytest.raises(APIStatusError) as caught:
        client.post("/fine-tunes", body=body, cast_to=object)
    assert caught.value.param == "classification_n_classes"
