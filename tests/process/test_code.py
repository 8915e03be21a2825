"""A server that is killed while code runs: nothing is left running, and its files are there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.process.serving import serving
from tests.process.settings_files import model_table, settings_file
from tests.support import wait_until

pytestmark = pytest.mark.torture

CONFIG = settings_file(model_table("echo"))
CODE = """
open('kept', 'w').write('kept')
import subprocess
for _ in range(2):
    subprocess.Popen(['sleep', '600'])
"""


def call(code: str, container: str, **options: Any) -> dict[str, Any]:
    text = json.dumps({"name": "code_interpreter", "arguments": {"code": code}})
    tools = [{"type": "code_interpreter", "container": container}]
    return {
        "model": "echo",
        "input": f"<tool_call>{text}</tool_call>",
        "tools": tools,
        "include": ["code_interpreter_call.outputs"],
        **options,
    }


@pytest.mark.usefixtures("confined")
@pytest.mark.parametrize("frozen", [True, False])
def test_the_server_is_killed(tmp_path: Path, frozen: bool) -> None:
    with serving(tmp_path, CONFIG) as server, server.client() as client:
        container = client.containers.create(name="a").id
        client.responses.create(**call(CODE, container))
        if not frozen:
            client.responses.create(**call("while True: pass", container, background=True))
        wait_until(lambda: len(server.workers()) >= 4)
        running = server.workers()
        server.process.kill()
    wait_until(lambda: not any(_runs(one) for one in running))
    with serving(tmp_path, CONFIG) as server, server.client() as client:
        response = client.responses.create(**call("open('kept').read()", container))
        assert response.output[0].to_dict()["outputs"][0]["logs"] == "'kept'"


def _runs(process: psutil.Process) -> bool:
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
