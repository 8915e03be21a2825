"""Fine-tuning jobs with a process that only pretends to train, on both databases."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncGenerator, Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openedai.api.openai.dialect import OPENAI
from openedai.app import create_app
from openedai.config import ModelSpec
from openedai.config.sources import Secret
from openedai.errors import EngineFailed, InvalidRequest, ModelNotFound
from openedai.identity import Identity
from openedai.jobs.handler import RunningJob
from openedai.jobs.runner import Runner
from openedai.serving.fine_tuning.attempt import Attempt
from openedai.serving.fine_tuning.handler import FineTuningHandler
from openedai.serving.fine_tuning.jobs import FineTuning, NewJob
from openedai.serving.fine_tuning.parts import TrainingParts
from openedai.serving.services import Services
from openedai.store.files import new_file
from openedai.store.fine_tuning import JobRecord
from openedai.training.adapters import AdapterWeights, write_adapter
from openedai.training.hyperparameters import Resolved
from openedai.training.messages import Finished, Paused, Prepared, Report, Saved, Step, Task
from openedai.weights.library import Library
from tests.support import echo_settings
from tests.training import tiny_chat

STEPS = 4
ME = Identity(project="me")
LINE = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
VECTORS = ModelSpec(id="vectors", engine="onnx_embeddings", source="hf:owner/vectors")
LINES = "\n".join([json.dumps(LINE)] * 10)


def read(path: Path) -> bytes:
    return path.read_bytes()


class FakeTraining:
    """Makes a checkpoint after each step. It dies, fails or waits after step `stop`."""

    def __init__(self, task: Task, stop: int | None, failure: Exception | None) -> None:
        self.task = task
        self._stop = stop
        self._failure = failure
        self._ended = asyncio.Event()
        self._paused = False

    def pause(self) -> None:
        self._paused = True
        self._ended.set()

    async def close(self) -> None:
        self._ended.set()

    async def reports(self) -> AsyncGenerator[Report, None]:
        resume = self.task.resume
        step = 0 if resume is None else int(read(Path(resume, "state.pt")))
        values = Resolved(n_epochs=2, batch_size=5, learning_rate_multiplier=1.0, beta=0.1)
        yield Prepared(hyperparameters=values, examples=10, tokens=50, truncated=1, steps=STEPS)
        while step < STEPS:
            step += 1
            yield Step(step=step, metrics={"train_loss": 1 / step}, tokens=10 * step)
            if step == self._stop:
                if self._failure is not None:
                    raise self._failure
                await self._ended.wait()
                if not self._paused:
                    raise EngineFailed("It was ended.")
                yield self._saved(step, epoch=None)
                yield Paused(step=step)
                return
            yield self._saved(step, epoch=step // 2 if step % 2 == 0 else None)
        yield Finished(step=step, tokens=10 * step)

    def _saved(self, step: int, epoch: int | None) -> Saved:
        folder = Path(self.task.folder, f"step-{step}")
        folder.mkdir(parents=True)
        (folder / "state.pt").write_text(str(step))
        random = np.random.default_rng(step)
        matrices = {
            f"blk.0.attn_q.weight.lora_{part}": random.normal(0, 1, shape).astype(np.float32)
            for part, shape in (("a", (2, 32)), ("b", (32, 2)))
        }
        write_adapter(folder / "adapter.gguf", AdapterWeights("llama", 4.0, matrices), name="a")
        metrics = {} if epoch is None else {"train_loss": 1 / step}
        return Saved(step=step, path=str(folder), epoch=epoch, metrics=metrics)


class Handler(FineTuningHandler):
    """Of each attempt at a job, `stops` has when and why it ends early."""

    def __init__(
        self, parts: TrainingParts, stops: list[tuple[int | None, Exception | None]]
    ) -> None:
        super().__init__(parts)
        self._stops = stops
        self.tasks: list[Task] = []

    async def run(self, job: RunningJob) -> None:
        stop, failure = self._stops.pop(0) if self._stops else (None, None)

        async def start(task: Task) -> FakeTraining:
            self.tasks.append(task)
            return FakeTraining(task, stop, failure)

        await Attempt(self._parts, job, start).run()


class Bench:
    def __init__(self, folder: Path, database_url: str, *stops: Any) -> None:
        weights = tiny_chat.write(folder / "tiny.gguf")
        tiny = ModelSpec(id="tiny", engine="llama_cpp", source=str(weights))
        settings = echo_settings(
            models=(tiny, ModelSpec(id="echo", engine="echo"), VECTORS),
            chat_model="tiny",
            embedding_model="echo",
            data=folder,
            database=Secret(database_url) if database_url else None,
            usage=True,
        )
        s: Services = create_app(settings).state.services
        self.services = s
        parts = TrainingParts(
            store=s.store,
            records=s.tuning_records,
            files=s.files,
            pool=s.pool,
            catalog=s.catalog,
            tuned=s.tuned,
            library=Library(settings),
            downloads=s.downloads,
            folder=folder / "training",
            threads=1,
            dialect=OPENAI,
            ends=s.ends,
        )
        self.folder = folder
        self.handler = Handler(parts, list(stops))
        self.runner = Runner(s.store, s.jobs, [self.handler], poll=0.02)
        arguments = (s.store, s.tuning_records, s.files, s.jobs, s.catalog, s.tuned)
        self.tuning = FineTuning(*arguments, check=lambda: None)

    def run(self, scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def main() -> None:
            self.runner.start()
            try:
                async with asyncio.timeout(60):
                    await scenario()
            finally:
                await self.runner.close()
                await self.services.store.close()

        asyncio.run(main())

    async def upload(self, text: str = LINES, purpose: str = "fine-tune") -> str:
        files = self.services.files
        async with files.writing("me") as writing:
            await writing.add(text.encode())
            record = new_file(purpose, "train.jsonl", len(text), "me")
            await files.create(record, writing)
        return record.id

    async def create(self, text: str = LINES, **options: Any) -> JobRecord:
        file = await self.upload(text)
        values: dict[str, Any] = {
            "validation_file": None,
            "method": "supervised",
            "given": {},
            "seed": 1,
        }
        new = NewJob(**{"model": "tiny", "training_file": file, **values, **options})
        return await self.tuning.create(new, Identity(project="me"))

    async def ended(self, job: JobRecord, *statuses: str) -> JobRecord:
        while True:
            found = await self.services.tuning_records.find("me", job.id)
            if not found.open or found.status in statuses:
                return found
            await asyncio.sleep(0.01)

    async def stepped(self, job: JobRecord, step: int) -> None:
        while True:
            if step in await self.steps(job):
                return
            await asyncio.sleep(0.01)

    async def steps(self, job: JobRecord) -> list[int]:
        """The steps of the events with metrics, the oldest first."""
        events = await self.services.tuning_records.events(job.id, 1000, newest_first=False)
        return [event.step for event in events if event.type == "metrics"]

    async def recorded(self) -> list[tuple[Any, ...]]:
        """The usage of attempts: its kind, model, origin, project, request and tokens."""
        usage = self.services.usage
        assert usage is not None
        await usage.close()
        columns = "kind, model, origin, project, request, prompt_tokens"
        database = await self.services.store.database()
        rows = await database.read(f"select {columns} from usage_records order by id")
        return [tuple(row) for row in rows]

    async def content(self, id: str) -> bytes:
        files = self.services.files
        return b"".join([chunk async for chunk in files.read(await files.find("me", id))])

    async def blobs(self) -> int:
        ((count,),) = await (await self.services.store.database()).read(
            "select count(*) from blobs where holder like 'ftstate%'"
        )
        return int(count)


def test_a_job_goes_on_where_it_died(tmp_path: Path, database_url: str) -> None:
    bench = Bench(tmp_path, database_url, (3, EngineFailed("It died.")))

    async def scenario() -> None:
        job = await bench.create(suffix="s")
        done = await bench.ended(job)
        assert done.status == "succeeded", done.error
        assert [task.resume is None for task in bench.handler.tasks] == [True, False]
        assert await bench.steps(job) == [1, 2, 3, 4]
        assert (done.trained_tokens, done.steps, done.values["n_epochs"]) == (40, STEPS, 2)
        name = f"ft:tiny:openedai:s:{job.id[-8:]}"
        assert done.fine_tuned_model == name
        names = [model.name for model in await bench.services.tuned.all("me")]
        assert sorted(names) == [name, f"{name}:ckpt-step-2", f"{name}:ckpt-step-4"]
        points = await bench.services.tuning_records.checkpoints(job.id, 10)
        assert [(one.step, one.metrics["train_loss"]) for one in points] == [(4, 0.25), (2, 0.5)]
        files = [await bench.services.files.find("me", id) for id in done.result_files]
        assert [file.filename for file in files] == [
            *("step_metrics.csv", "adapter.gguf"),
            *("adapter_config.json", "adapter_model.safetensors"),
        ]
        table = [*csv.DictReader(io.StringIO((await bench.content(files[0].id)).decode()))]
        assert [row["train_loss"] for row in table] == ["1", "0.5", "0.333333", "0.25"]
        assert await bench.blobs() == 0
        common = ("fine_tuning", "tiny", "fine_tuning", "me", job.id)
        assert await bench.recorded() == [
            (*common, 30),
            (*common, 10),
        ]  # what is trained twice counts once
        await bench.services.tuned.prepare("me", name)
        model = bench.services.catalog.resolve(name)
        assert (model.id, model.spec.id, model.variant) == (name, "tiny", name)
        assert model.adapter is not None
        assert read(Path(model.adapter.path)) == await bench.content(files[1].id)
        assert await bench.services.tuned.delete("me", f"{name}:ckpt-step-4")
        assert await bench.services.tuned.delete("me", name)
        assert not await bench.services.tuned.delete("me", name)

    bench.run(scenario)
    assert [*(tmp_path / "training").iterdir()] == []
    assert [*(tmp_path / "adapters").iterdir()] == []


def test_pause_and_resume(tmp_path: Path, database_url: str) -> None:
    bench = Bench(tmp_path, database_url, (1, None))

    async def scenario() -> None:
        job = await bench.create()
        await bench.stepped(job, 1)
        await bench.tuning.pause("me", job.id)
        assert (await bench.ended(job, "paused")).status == "paused"
        with pytest.raises(InvalidRequest, match="cannot be resumed"):
            await bench.tuning.resume(ME, (await bench.ended(await bench.create())).id)
        limited = Identity(project="me", models=("another",))
        with pytest.raises(ModelNotFound, match="`tiny`"):
            await bench.tuning.resume(limited, job.id)
        assert (await bench.tuning.resume(ME, job.id)).status == "queued"
        assert (await bench.ended(job)).status == "succeeded"
        assert await bench.steps(job) == [1, 2, 3, 4]

    bench.run(scenario)


def test_cancel(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "", (1, None))

    async def scenario() -> None:
        job = await bench.create()
        await bench.stepped(job, 1)
        waiting = await bench.create()
        assert (await bench.tuning.cancel("me", waiting.id)).status == "cancelled"
        await bench.tuning.cancel("me", job.id)
        assert (await bench.ended(job)).status == "cancelled"
        with pytest.raises(InvalidRequest, match="cannot be cancelled"):
            await bench.tuning.cancel("me", job.id)

    bench.run(scenario)


def test_a_job_whose_process_always_dies_fails(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "", *[(1, EngineFailed("It died."))] * 5)

    async def scenario() -> None:
        database = await bench.services.store.database()
        job = await bench.create()
        async with database.write() as query:
            await query("update jobs set attempts=1 where id=$1", job.id)
        done = await bench.ended(job)
        assert (done.status, done.error and done.error["message"]) == ("failed", "It died.")

    bench.run(scenario)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"{LINES}\n{{}}", "line 11: "),
        ("\n".join(LINES.split("\n")[:9]), "at least 10"),
        ("", "0 example"),
    ],
)
def test_files_that_are_not_valid(tmp_path: Path, text: str, problem: str) -> None:
    bench = Bench(tmp_path, "")

    async def scenario() -> None:
        done = await bench.ended(await bench.create(text))
        assert done.status == "failed"
        assert done.error is not None
        assert (done.error["code"], done.error["param"]) == (
            "invalid_training_file",
            "training_file",
        )
        assert problem in done.error["message"]
        assert bench.handler.tasks == []

    bench.run(scenario)


def test_files_that_are_too_few_for_training_are_enough_for_validation(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "")

    async def scenario() -> None:
        one = await bench.upload(json.dumps(LINE))
        done = await bench.ended(await bench.create(validation_file=one))
        assert done.status == "succeeded", done.error
        none = await bench.ended(await bench.create(validation_file=await bench.upload("")))
        assert none.error is not None
        assert none.error["code"] == "invalid_validation_file"

    bench.run(scenario)


def test_what_cannot_be_created(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "")

    async def scenario() -> None:
        other = await bench.upload(purpose="user_data")
        for options, problem in (
            ({"model": "echo"}, "cannot be fine-tuned"),
            ({"model": "vectors"}, "cannot be fine-tuned"),
            ({"model": "nothing"}, "does not exist"),
            ({"model": "ft:tiny:openedai::nothing"}, "does not exist"),
            ({"training_file": "file-nothing"}, "No such File"),
            ({"training_file": other}, "purpose `user_data`"),
            ({"validation_file": other}, "Invalid 'validation_file'"),
        ):
            with pytest.raises(InvalidRequest, match=problem):
                await bench.create(**options)

    bench.run(scenario)
