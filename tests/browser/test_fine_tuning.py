"""Fine-tuning in the console: the jobs of a database, as torch is not installed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from openedai.jobs.jobs import Jobs
from openedai.store.database import Query
from openedai.store.fine_tuning import (
    KIND,
    CheckpointRecord,
    FineTuningRecords,
    JobRecord,
    TunedModel,
)
from openedai.store.store import Store
from tests.browser.chromium import Watched
from tests.browser.conftest import HOSTILE
from tests.support import Running, ServerThread, echo_settings

pytestmark = pytest.mark.clients

Watch = Callable[..., Watched]
DONE, PAUSED, FAILED = "ftjob-003", "ftjob-002", "ftjob-001"
TUNED = "ft:echo:openedai:pirate:003"
STEPS = 120  # more events than one page has
VALIDATION = "validation: from 0.600 to 0.0500, at least 0.0500, at most 0.600"


def run(work: Any) -> None:
    """In a thread of its own: the browser has the event loop of this one."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


async def fill(folder: Path) -> None:
    store = Store(folder, "", "")
    records, jobs = FineTuningRecords(store), Jobs(store)
    async with (await store.database()).write() as query:
        base: dict[str, Any] = {"created_at": 1.7e9, "model": "echo", "training_file": "file-1"}
        done = JobRecord(
            id=DONE,
            status="succeeded",
            values={"n_epochs": 3, "batch_size": 4, "learning_rate_multiplier": 1.0},
            suffix="pirate",
            fine_tuned_model=TUNED,
            finished_at=1.7e9 + 60,
            trained_tokens=12345,
            metadata={"for": HOSTILE},
            **base,
        )
        await records.insert(query, done)
        for step in range(1, STEPS + 1):
            await add_step(records, query, DONE, step)
        metrics = {"train_loss": 0.05, "full_valid_loss": 0.25}
        name = f"{TUNED}:ckpt-step-{STEPS}"
        await records.add_checkpoint(
            query, CheckpointRecord("ftckpt_1", DONE, STEPS, 1.7e9, name, metrics)
        )
        await records.add_model(query, TunedModel(TUNED, "echo", DONE, "content", 1.7e9, ""))
        await records.insert(query, JobRecord(id=PAUSED, status="paused", **base))
        await jobs.add(query, KIND, PAUSED, {})
        await jobs.request(query, PAUSED, "pause")
        error = {"code": "invalid_training_file", "message": HOSTILE, "param": "training_file"}
        await records.insert(query, JobRecord(id=FAILED, status="failed", error=error, **base))
        await records.add_event(query, FAILED, HOSTILE, level="error")
        for number in range(60):
            await records.insert(query, JobRecord(id=f"ftjob-000{number:02}", **base))
    await store.close()


async def add_step(records: FineTuningRecords, query: Query, job: str, step: int) -> None:
    data = {"step": step, "total_steps": STEPS, "train_loss": 5 / step, "learning_rate": 5e-4}
    if step % 10 == 0:
        data["valid_loss"] = 6 / step
    await records.add_event(query, job, f"Step {step}", step=step, data=data)


@pytest.fixture
def trained(tmp_path: Path) -> Iterator[Running]:
    run(fill(tmp_path))
    with ServerThread(echo_settings(data=tmp_path)) as running:
        yield running


def test_the_curves_of_a_job(trained: Running, watch: Watch, tmp_path: Path) -> None:
    watched = watch(trained, color_scheme="dark")
    page = watched.open(f"fine_tuning/{DONE}")
    chart = page.get_by_role("img", name="Loss by step")
    label = "training: from 5.00 to 0.0417, at least 0.0417, at most 5.00."
    expect(chart).to_have_attribute("aria-label", f"Loss by step. {label} {VALIDATION}")
    expect(page.get_by_role("row", name=f"{TUNED}:ckpt-step-{STEPS}")).to_contain_text("0.250")
    page.get_by_text("The numbers of each step", exact=True).click()
    expect(page.get_by_role("row", name="100 0.0500 0.0600 5.0e-4")).to_be_visible()
    rate = page.get_by_role("img", name="Learning rate by step")
    expect(rate).to_have_attribute("aria-label", re.compile("training: from 5.0e-4 to 5.0e-4"))
    expect(page.get_by_role("img", name="Reward margin")).to_have_count(0)
    expect(page.get_by_text(HOSTILE)).to_be_visible()
    assert watched.violations() == []
    page.get_by_role("link", name="Try it in the playground").click()
    expect(page.get_by_label("Model", exact=True)).to_have_value(TUNED)


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_a_job_on_a_phone(trained: Running, watch: Watch, colours: str) -> None:
    phone = {"width": 390, "height": 760}
    watched = watch(trained, viewport=phone, has_touch=True, is_mobile=True, color_scheme=colours)
    for job in (DONE, PAUSED, FAILED):
        page = watched.open(f"fine_tuning/{job}")
        expect(page.get_by_role("definition").filter(has_text=job)).to_be_visible()
        page.get_by_text("The numbers of each step", exact=True).tap()
        assert watched.violations() == []
        assert watched.width() == phone["width"]


def test_what_comes_later_is_drawn(trained: Running, watch: Watch, tmp_path: Path) -> None:
    watched = watch(trained)
    page = watched.open(f"fine_tuning/{PAUSED}")
    expect(page.get_by_text("No step is done yet.")).to_be_visible()
    run(add_preferences(tmp_path))
    for title, label in (
        ("Accuracy of preferences", "from 0.500 to 0.750"),
        ("Reward margin", "from -0.200 to 1.50"),
    ):
        chart = page.get_by_role("img", name=f"{title} by step")
        expect(chart).to_have_attribute("aria-label", re.compile(f"training: {label}"))
    page.get_by_text("The numbers of each step", exact=True).click()
    expect(page.get_by_role("columnheader", name="Reward margin, training")).to_be_visible()
    expect(page.get_by_role("columnheader", name="Accuracy of tokens")).to_have_count(0)
    assert watched.violations() == []


async def add_preferences(folder: Path) -> None:
    store = Store(folder, "", "")
    async with (await store.database()).write() as query:
        for step, accuracy, margin in ((1, 0.5, -0.2), (2, 0.75, 1.5)):
            metrics = {"train_reward_accuracy": accuracy, "train_reward_margin": margin}
            data = {"step": step, "train_loss": 0.7, **metrics}
            await FineTuningRecords(store).add_event(
                query, PAUSED, f"Step {step}", step=step, data=data
            )
    await store.close()


def test_a_job_that_has_ended_is_not_asked_for_again(trained: Running, watch: Watch) -> None:
    watched = watch(trained)
    page = watched.page
    page.clock.install()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for job, again in ((DONE, False), (PAUSED, True)):
        watched.open(f"fine_tuning/{job}")
        expect(page.get_by_role("definition").filter(has_text=job)).to_be_visible()
        asked.clear()
        page.clock.run_for(10_000)
        page.evaluate("fetch('../v1/models')")  # those before it have begun
        assert any(job in url for url in asked) is again


def test_jobs_are_listed_paused_and_cancelled(trained: Running, watch: Watch) -> None:
    watched = watch(trained)
    page = watched.open("fine_tuning")
    expect(page.get_by_role("row", name=DONE)).to_contain_text("succeeded")
    expect(page.get_by_role("row")).to_have_count(51)
    page.get_by_role("button", name="Show more").click()
    expect(page.get_by_role("row")).to_have_count(64)
    page.get_by_role("link", name=PAUSED).click()
    page.get_by_role("button", name="Cancel the job").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the job").click()
    expect(page.get_by_text("cancelled", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Resume")).to_have_count(0)
    page = watched.open(f"fine_tuning/{FAILED}")
    expect(page.get_by_text(HOSTILE)).to_have_count(2)
    expect(page.get_by_text("No step is done yet.")).to_be_visible()


def test_a_job_is_paused_and_resumed(trained: Running, watch: Watch) -> None:
    page = watch(trained).open(f"fine_tuning/{PAUSED}")
    with trained.client() as client:
        job = client.fine_tuning.jobs.retrieve(PAUSED)
    running = job.model_copy(update={"status": "running"}).model_dump_json()
    # As if it ran: what trains it here fails at once.
    page.route(f"**/jobs/{PAUSED}/resume", lambda route: route.fulfill(body=running))
    page.route(f"**/jobs/{PAUSED}", lambda route: route.fulfill(body=running))
    page.get_by_role("button", name="Resume").click()
    with page.expect_response("**/pause") as answered:
        page.get_by_role("button", name="Pause").click()
    assert answered.value.ok
    page.unroute(f"**/jobs/{PAUSED}")
    expect(page.get_by_role("button", name="Resume")).to_be_visible()


def test_what_is_asked_for(own_server: Running, watch: Watch) -> None:
    page = watch(own_server).open("fine_tuning")
    page.get_by_label("Model", exact=True).fill("echo")
    page.get_by_label("Method").select_option("Preferences (dpo)")
    page.get_by_label("Training file: upload").set_input_files(
        {"name": "a.jsonl", "mimeType": "text/plain", "buffer": b"{}"}
    )
    page.get_by_text("Hyperparameters").click()
    page.get_by_label("Suffix").fill("pirate")
    page.get_by_label("Epochs").fill("2")
    page.get_by_label("Beta").fill("0.5")
    page.get_by_label("Seed").fill("7")
    page.get_by_role("button", name="Add a row").click()
    page.get_by_label("Metadata key 1").fill("team")
    page.get_by_label("Metadata value 1").fill("a")
    with page.expect_request("**/v1/fine_tuning/jobs") as sent:
        page.get_by_role("button", name="Train", exact=True).click()
    body = dict(sent.value.post_data_json or {})
    assert body.pop("training_file").startswith("file-")
    assert body == {
        "model": "echo",
        "suffix": "pirate",
        "seed": 7,
        "metadata": {"team": "a"},
        "method": {"type": "dpo", "dpo": {"hyperparameters": {"n_epochs": 2, "beta": 0.5}}},
    }
    expect(page.get_by_role("alert")).to_contain_text("openedai[training]")
    with page.expect_response("**/v1/fine_tuning/jobs"):
        page.get_by_role("button", name="Train", exact=True).click()
    with own_server.client() as client:
        assert len(list(client.files.list())) == 1  # it is not uploaded again
