"""Fine-tuning through the API, of a tiny random model: jobs, their results and what survives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openai import APIStatusError, OpenAI
from openai.types.fine_tuning import FineTuningJob

from openedai.config import ModelSpec, Settings
from tests.support import Running, ServerThread, echo_settings, fetch, wait_until
from tests.training import tiny_chat

pytestmark = pytest.mark.extras

ENDED = ("succeeded", "failed", "cancelled")
QUESTION: Any = [{"role": "user", "content": "number 1?"}]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("tuning")
    weights = tiny_chat.write(folder / "tiny.gguf")
    options = {"context": 256, "slots": 2, "threads": 1}
    tiny = ModelSpec(id="tiny", engine="llama_cpp", source=str(weights), options=options)
    echo = ModelSpec(id="echo", engine="echo")
    return echo_settings(models=(tiny, echo), chat_model="tiny", data=folder / "data")


@pytest.fixture
def server(settings: Settings) -> Iterator[Running]:
    with ServerThread(settings) as running:
        yield running


@pytest.fixture
def client(server: Running) -> Iterator[OpenAI]:
    with server.client(timeout=60) as client:
        yield client


def lines(count: int = 12) -> bytes:
    rows = []
    for number in range(count):
        question = {"role": "user", "content": f"number {number}?"}
        rows.append({"messages": [question, {"role": "assistant", "content": "yes"}]})
    return "\n".join(map(json.dumps, rows)).encode()


def upload(client: OpenAI, content: bytes | None = None, purpose: Any = "fine-tune") -> str:
    return client.files.create(file=("train.jsonl", content or lines()), purpose=purpose).id


def create(client: OpenAI, epochs: int = 30, **options: Any) -> FineTuningJob:
    values = {"n_epochs": epochs, "batch_size": 4, "learning_rate_multiplier": 5}
    method = {"type": "supervised", "supervised": {"hyperparameters": values}}
    options = {"model": "tiny", "training_file": upload(client), "method": method, **options}
    return client.fine_tuning.jobs.create(**options)


def ended(client: OpenAI, job: FineTuningJob, *statuses: str) -> FineTuningJob:
    """The job when it has one of these statuses, or has ended."""
    found = job

    def check() -> bool:
        nonlocal found
        found = client.fine_tuning.jobs.retrieve(job.id)
        return found.status in (*ENDED, *statuses)

    wait_until(check, 120)
    return found


def answer(client: OpenAI, model: str) -> str:
    found = client.chat.completions.create(
        model=model, messages=QUESTION, max_tokens=12, temperature=0
    )
    return found.choices[0].message.content or ""


def test_a_job_from_its_file_to_its_model(client: OpenAI) -> None:
    validation = upload(client)
    job = create(client, validation_file=validation, suffix="yes", seed=5, metadata={"a": "b"})
    assert job.status in ("validating_files", "queued", "running")
    assert (job.object, job.model, job.seed) == ("fine_tuning.job", "tiny", 5)
    base = answer(client, "tiny")  # the model is used while it is trained
    done = ended(client, job)
    assert done.status == "succeeded", done.error
    model = done.fine_tuned_model
    assert model is not None
    assert model.startswith("ft:tiny:openedai:yes:")
    assert done.hyperparameters.n_epochs == 30
    assert done.metadata == {"a": "b"}
    assert done.trained_tokens
    assert answer(client, model) == "yes"
    assert answer(client, "tiny") == base != "yes"
    events = client.fine_tuning.jobs.list_events(job.id, limit=100).data
    assert events[0].message == "The job has successfully completed"
    steps = [event.data for event in events if event.type == "metrics"]
    assert isinstance(steps[0], dict)
    assert steps[0]["step"] == steps[0]["total_steps"] == 90
    points = client.fine_tuning.jobs.checkpoints.list(job.id, limit=100).data
    assert [point.step_number for point in points] == [*range(90, 0, -3)]
    assert points[0].fine_tuned_model_checkpoint == f"{model}:ckpt-step-90"
    assert answer(client, points[0].fine_tuned_model_checkpoint) == "yes"
    assert points[0].metrics.full_valid_loss is not None
    names = {name: file for file in done.result_files if (name := filename(client, file))}
    table = client.files.content(names["step_metrics.csv"]).text.splitlines()
    assert table[0].startswith("step,train_loss,train_accuracy,valid_loss,valid_mean_token_acc")
    assert len(table) == 91
    assert client.files.content(names["adapter.gguf"]).content[:4] == b"GGUF"
    assert json.loads(client.files.content(names["adapter_config.json"]).text)["r"] == 8
    listed = [one.id for one in client.models.list()]
    assert {model, points[-1].fine_tuned_model_checkpoint} <= {*listed}
    assert client.models.retrieve(model).id == model
    assert [one.id for one in client.fine_tuning.jobs.list(limit=1)] == [job.id]


def filename(client: OpenAI, id: str) -> str:
    return client.files.retrieve(id).filename


def test_models_survive_a_restart_and_can_be_trained_on_and_deleted(settings: Settings) -> None:
    with ServerThread(settings) as running, running.client(timeout=60) as client:
        first = ended(client, create(client))
        assert first.fine_tuned_model is not None
    with ServerThread(settings) as running, running.client(timeout=60) as client:
        assert answer(client, first.fine_tuned_model) == "yes"
        second = ended(client, create(client, epochs=1, model=first.fine_tuned_model))
        assert second.status == "succeeded"
        assert second.fine_tuned_model is not None
        assert answer(client, second.fine_tuned_model) == "yes"
        assert client.models.delete(first.fine_tuned_model).deleted
        with pytest.raises(APIStatusError) as caught:
            answer(client, first.fine_tuned_model)
        assert caught.value.code == "model_not_found"
        assert answer(client, second.fine_tuned_model) == "yes"


def test_pause_and_resume(client: OpenAI) -> None:
    job = create(client, epochs=50)
    ended(client, job, "running")
    client.fine_tuning.jobs.pause(job.id)
    paused: str = ended(client, job, "paused").status
    assert paused == "paused"
    assert client.fine_tuning.jobs.resume(job.id).status == "queued"
    done = ended(client, job)
    assert done.status == "succeeded", done.error
    events = client.fine_tuning.jobs.list_events(job.id, limit=100).data
    steps = [event.data["step"] for event in events if isinstance(event.data, dict)]
    assert steps == sorted(set(steps), reverse=True)


def test_cancel(client: OpenAI) -> None:
    job = create(client, epochs=50)
    ended(client, job, "running")
    client.fine_tuning.jobs.cancel(job.id)
    assert ended(client, job).status == "cancelled"
    for method in (client.fine_tuning.jobs.cancel, client.fine_tuning.jobs.resume):
        with pytest.raises(APIStatusError, match="`cancelled`"):
            method(job.id)


def test_a_server_that_stops_goes_on_with_the_job(settings: Settings) -> None:
    with ServerThread(settings) as running, running.client(timeout=60) as client:
        job = create(client, epochs=50)

        def trains() -> bool:
            events = client.fine_tuning.jobs.list_events(job.id, limit=1).data
            return events[0].message.startswith("Step")

        wait_until(trains, 60)
    with ServerThread(settings) as running, running.client(timeout=60) as client:
        done = ended(client, job)
        assert done.status == "succeeded", done.error
        events = client.fine_tuning.jobs.list_events(job.id, limit=100).data
        events += client.fine_tuning.jobs.list_events(job.id, limit=100, after=events[-1].id).data
        assert any(event.message.startswith("Going on after step") for event in events)


def test_files_that_are_not_valid(client: OpenAI) -> None:
    job = create(client, training_file=upload(client, lines(12) + b"\n{}"))
    done = ended(client, job)
    assert (done.status, done.error and done.error.code) == ("failed", "invalid_training_file")
    assert done.error is not None
    assert "line 13" in done.error.message
    few = ended(client, create(client, training_file=upload(client, lines(9))))
    assert few.error is not None
    assert "at least 10" in few.error.message


def test_preferences(client: OpenAI) -> None:
    rows = [
        {
            "input": {"messages": [{"role": "user", "content": f"number {number}?"}]},
            "preferred_output": [{"role": "assistant", "content": "yes"}],
            "non_preferred_output": [{"role": "assistant", "content": "no"}],
        }
        for number in range(10)
    ]
    file = upload(client, "\n".join(map(json.dumps, rows)).encode())
    values = {"n_epochs": 2, "beta": 0.2}
    job = create(
        client,
        training_file=file,
        method={"type": "dpo", "dpo": {"hyperparameters": values}},
    )
    done = ended(client, job)
    assert done.status == "succeeded", done.error
    assert done.method is not None
    assert done.method.dpo is not None
    assert done.method.dpo.hyperparameters is not None
    assert done.method.dpo.hyperparameters.beta == 0.2


def test_the_older_shape(client: OpenAI, server: Running) -> None:
    """With the stream of events, up to the end of the job."""
    body = {"training_file": upload(client), "n_epochs": 1, "suffix": "old"}
    made: Any = client.post("/fine-tunes", body=body, cast_to=object)
    assert (made["object"], made["model"], made["status"]) == ("fine-tune", "tiny", "pending")
    stream = fetch(f"{server.url}/v1/fine-tunes/{made['id']}/events?stream=true").body.decode()
    frames = [line.removeprefix("data: ") for line in stream.split("\n") if line]
    assert frames[-1] == "[DONE]"
    messages = [json.loads(frame)["message"] for frame in frames[:-1]]
    assert messages[0].startswith("Created fine-tuning job")
    assert messages[-1] == "The job has successfully completed"
    done: Any = client.get(f"/fine-tunes/{made['id']}", cast_to=object)
    assert done["status"] == "succeeded"
    assert done["fine_tuned_model"].startswith("ft:tiny:openedai:old:")
    assert done["result_files"][0]["filename"] == "step_metrics.csv"
    assert [event["message"] for event in done["events"]] == messages
    assert done["hyperparams"]["n_epochs"] == 1
