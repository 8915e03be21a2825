"""Fine-tuning by the older versions of the official client: both of their APIs."""

from __future__ import annotations

from pathlib import Path

import pytest

from openedai.config import ModelSpec
from tests.clients.running import run
from tests.support import ServerThread, echo_settings
from tests.training import tiny_chat

pytestmark = [pytest.mark.extras, pytest.mark.timeout(1500)]


@pytest.mark.parametrize("version", ["0.27", "0.28"])
def test_old_versions(version: str, tmp_path: Path) -> None:
    options = {"context": 256, "slots": 2, "threads": 1}
    weights = str(tiny_chat.write(tmp_path / "tiny.gguf"))
    tiny = ModelSpec(id="tiny", engine="llama_cpp", source=weights, options=options)
    settings = echo_settings(models=(tiny,), chat_model="tiny", data=tmp_path / "data")
    with ServerThread(settings) as running:
        seen = run(
            "openai-python-0",
            running,
            tmp_path,
            pins=f"requirements-{version}.txt",
            address="OPENAI_API_BASE",
            TUNED_MODEL="tiny",
        )["tuning"]
    assert seen["made"] == ["fine-tune", "pending", True]
    assert seen["streamed"] == seen["listed"]
    assert seen["streamed"][-1] == "The job has successfully completed"
    assert (seen["status"], seen["cancelled"], seen["ids"]) == ("succeeded", "cancelled", True)
    assert seen["tuned"].startswith("ft:tiny:openedai:older:")
    assert seen["result"].startswith("step,")
    assert seen["answer"] == seen["tuned"]
    assert seen["deleted"]
    assert seen["job"] == ["fine_tuning.job", "succeeded", True]
    assert seen["more"] == [True, 2, True]
    assert seen["job_cancelled"][0] == 400
