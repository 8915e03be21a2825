"""Templates of workflows: their slots, and files that cannot be used."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from openedai.engines.comfyui.engine import ComfyUI
from openedai.engines.comfyui.workflow import BadWorkflow, Workflow
from openedai.errors import EngineFailed


def node(**inputs: Any) -> dict[str, Any]:
    return {"class_type": "Node", "inputs": inputs}


def parse(value: Any) -> Workflow:
    return Workflow.parse(json.dumps(value).encode())


def test_a_slot_alone_keeps_its_type() -> None:
    workflow = parse({"1": node(seed="{{seed}}", text="photo of {{prompt}}, {{ seed }}", n=1)})
    assert workflow.slots == {"seed", "prompt"}
    assert workflow.places["1", "text"] == {"seed", "prompt"}
    filled = workflow.filled({"seed": 7, "prompt": "{{seed}} a cat"})
    assert filled == {"1": node(seed=7, text="photo of {{seed}} a cat, 7", n=1)}


def test_slots_in_lists_and_tables() -> None:
    workflow = parse({"1": node(value={"a": ["{{steps}}", 1]}, link=["2", 0])})
    assert workflow.filled({"steps": 3})["1"] == node(value={"a": [3, 1]}, link=["2", 0])


def test_filling_leaves_the_template_as_it_is() -> None:
    workflow = parse({"1": node(text="{{prompt}}")})
    assert workflow.filled({"prompt": "a"}) != workflow.filled({"prompt": "b"})
    assert workflow.nodes == {"1": node(text="{{prompt}}")}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"1": {"class_type": "Node"}}',
        b'{"1": {"inputs": {}}}',
        b'{"nodes": [], "links": []}',
        b"\xff",
    ],
)
def test_what_is_no_workflow(text: bytes) -> None:
    with pytest.raises(BadWorkflow):
        Workflow.parse(text)


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (None, {}, "cannot be read"),
        ("{", {}, "not JSON"),
        ('{"nodes": [], "links": []}', {}, "API format"),
        (json.dumps({"1": node(a="{{strange}}")}), {}, "`strange`"),
        ("{}", {"sampler": 3}, "sampler"),
    ],
)
def test_a_model_with_a_bad_workflow_is_not_loaded(
    content: str | None, options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    file = tmp_path / "workflow.json"
    if content is not None:
        file.write_text(content)
    options = {"url": "http://127.0.0.1:1", "workflow": str(file), **options}
    with pytest.raises(EngineFailed, match=words):
        asyncio.run(ComfyUI.load("ours", None, options))


def test_a_slot_of_ones_own_has_a_default(tmp_path: Path) -> None:
    file = tmp_path / "workflow.json"
    file.write_text(json.dumps({"1": node(a="{{strange}}")}))
    options = {"url": "http://127.0.0.1:1", "workflow": str(file), "slots": {"strange": 0.5}}

    async def scenario() -> None:
        engine = await ComfyUI.load("ours", None, options)
        await engine.close()

    asyncio.run(scenario())
