"""A server that is killed while it trains: another one goes on, with the same losses; on both
databases.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from openedai.app import create_app
from openedai.identity import Identity
from openedai.serving.fine_tuning.jobs import NewJob
from openedai.serving.services import Services
from openedai.store.files import new_file
from openedai.store.fine_tuning import JobRecord
from tests.extras.training import training_server
from tests.extras.training.test_fine_tuning import answer, lines
from tests.support import ServerThread, wait_until

pytestmark = pytest.mark.extras
EPOCHS, STEPS = 30, 90
OWNER = ""  # of everything on a server without keys


@contextmanager
def server(folder: Path, url: str) -> Iterator[psutil.Process]:
    command = [sys.executable, "-m", training_server.__name__, str(folder), url]
    root = Path(training_server.__file__).parents[3]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield psutil.Process(process.pid)
        finally:
            process.kill()


async def create(services: Services) -> JobRecord:
    content = lines()
    async with services.files.writing(OWNER) as writing:
        await writing.add(content)
        record = new_file("fine-tune", "train.jsonl", len(content), OWNER)
        await services.files.create(record, writing)
    given = {"n_epochs": EPOCHS, "batch_size": 4, "learning_rate_multiplier": 5.0}
    new = NewJob("tiny", record.id, None, "supervised", given, seed=5)
    return await services.fine_tuning.create(new, Identity(project=OWNER))


async def curve(services: Services, job: JobRecord) -> list[tuple[int, float]]:
    """The loss of each step so far."""
    events = await services.tuning_records.events(job.id, 1000, newest_first=False)
    return [(one.step, one.data["train_loss"]) for one in events if one.data is not None]


async def until(
    services: Services, job: JobRecord, check: Callable[[JobRecord, int], bool]
) -> JobRecord:
    """The job when the check of it and of its last step is true."""
    async with asyncio.timeout(200):
        while True:
            found = await services.tuning_records.find(OWNER, job.id)
            steps = await curve(services, job)
            if check(found, steps[-1][0] if steps else 0):
                return found
            await asyncio.sleep(0.02)


def test_a_killed_server(tmp_path: Path, database_url: str) -> None:
    settings = training_server.settings_of(tmp_path, database_url)

    async def scenario() -> str:
        services: Services = create_app(settings).state.services
        job = await create(services)
        with server(tmp_path, database_url) as first:
            await until(services, job, lambda record, step: step >= STEPS // 3)
            trainers = first.children()
            first.kill()
        assert trainers
        wait_until(lambda: not any(one.is_running() for one in trainers))
        assert (await services.tuning_records.find(OWNER, job.id)).status == "running"
        with server(tmp_path, database_url):
            done = await until(services, job, lambda record, step: not record.open)
            whole = await create(services)
            await until(services, whole, lambda record, step: not record.open)
        assert done.status == "succeeded", done.error
        events = await services.tuning_records.events(job.id, 1000, newest_first=False)
        (going_on,) = [one for one in events if one.message.startswith("Going on after step")]
        assert int(going_on.message.rpartition(" ")[2]) >= STEPS // 3 - 3
        losses = await curve(services, job)
        assert [step for step, _ in losses] == [*range(1, STEPS + 1)]
        assert losses == await curve(services, whole)
        await services.store.close()
        assert done.fine_tuned_model is not None
        return done.fine_tuned_model

    model = asyncio.run(scenario())
    assert not (settings.data / "adapters").exists()  # the servers that trained did not serve it
    with ServerThread(settings) as running, running.client(timeout=60) as client:
        assert answer(client, model) == "yes"
