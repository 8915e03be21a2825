"""The official Python client: the versions of today, and those that many older apps have."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from openedai.contract.moderate import CATEGORIES
from tests.clients.running import run
from tests.images.files import pixels_of
from tests.support import Running

pytestmark = [pytest.mark.clients, pytest.mark.timeout(1500)]

OLDER = "OPENAI_API_BASE"
SPEECH = Path(__file__).parents[1] / "engines" / "whisper" / "speech.ogg"

OLD = pytest.mark.parametrize("pins", ["requirements-0.27.txt", "requirements-0.28.txt"])


@OLD
def test_old_versions_on_echo(pins: str, echo_server: Running, tmp_path: Path) -> None:
    speech = tmp_path / "speech.mp3"
    speech.write_text("Good morning.")  # which the echo engine hears
    names = {"MODEL": "echo", "EMBEDDING_MODEL": "echo", "IMAGE_MODEL": "echo"}
    names |= {"SPEECH_MODEL": "echo", "SPEECH": str(speech)}
    seen = run("openai-python-0", echo_server, tmp_path, pins=pins, address=OLDER, **names)
    assert seen["model"] == "echo"
    assert "echo" in seen["models"]
    for name in ("completion", "completion_stream", "chat", "chat_stream", "chat_async"):
        assert seen[name] == "one two three"
    assert seen["completion_tokens"] == 3
    assert seen["embeddings"] == [8, 8]
    assert seen["engines"] == seen["models"]
    assert seen["edit"][0] == "edit"
    assert seen["engine_chat"] == seen["azure_chat"] == "one two three"
    assert seen["engine_embedding"] == 8
    assert seen["moderation"]["flagged"] == [False, True]
    assert seen["moderation"]["categories"] == sorted(CATEGORIES)
    assert seen["moderation"]["scores"] == [0.9, 0.9]
    assert seen["function"] == "add"
    assert isinstance(json.loads(seen["arguments"]), dict)
    assert seen["transcribe"] == seen["translate"] == "Good morning."
    assert seen["subtitles"].startswith("1\n00:00:00,000 --> ")
    assert seen["error"] == [404, "model_not_found", "model"]
    assert seen["files"] == {
        "made": ["file", 9, "fine-tune", "processed"],
        "retrieved": True,
        "listed": True,
        "content": '{"a": 1}\n',
        "deleted": True,
    }
    assert seen["tuning"] == {"listed": [[], []], "missing": [404, 404]}
    images = seen["images"]
    assert len(set(images["urls"])) == 2
    assert size(images["image"]) == (32, 16)
    for name, expected in (("edited", (32, 16)), ("varied", (32, 16)), ("later", (64, 64))):
        assert [size(one) for one in images[name]] == [expected] * 2


def size(image: str) -> tuple[int, int]:
    """Width and height of an image in base64."""
    return pixels_of(base64.b64decode(image)).size


@pytest.mark.real
@OLD
def test_old_versions(pins: str, real_server: Running, tmp_path: Path) -> None:
    named = {"SPEECH": str(SPEECH)}
    seen = run("openai-python-0", real_server, tmp_path, pins=pins, address=OLDER, **named)
    assert seen["model"] == "gpt-3.5-turbo"
    assert seen["completion"] == seen["completion_stream"] != ""
    assert seen["chat"] == seen["chat_stream"] == seen["chat_async"] != ""
    assert seen["completion_tokens"] == 3
    assert seen["embeddings"] == [768, 768]
    assert seen["edit"][0] == "edit"
    assert seen["edit"][1]
    assert seen["engine_chat"] == seen["azure_chat"] == seen["chat"]
    assert seen["engine_embedding"] == 768
    assert len(seen["moderation"]["flagged"]) == 2
    assert all(0 <= score <= 1 for score in seen["moderation"]["scores"])
    assert seen["function"] == "add"
    assert {type(value) for value in json.loads(seen["arguments"]).values()} == {int}
    assert "Good morning" in seen["transcribe"]
    assert "Good morning" in seen["translate"]
    assert "Good morning" in seen["subtitles"]
    assert seen["error"] == [404, "model_not_found", "model"]


@pytest.mark.real
def test_the_version_of_today(real_server: Running, tmp_path: Path) -> None:
    seen = run("openai-python-3", real_server, tmp_path)
    assert seen["model"] == "smollm2-135m-instruct"
    assert {"smollm2-135m-instruct", "all-mpnet-base-v2"} <= set(seen["models"])
    assert seen["chat"] == seen["stream"] != ""
    assert seen["finish"] == ["length", "length"]
    assert seen["usage"] == [12, 12]
    assert seen["async"]
    assert seen["completion"]
    assert seen["embeddings"] == [768, 768]
    broken, what = seen["decision"]
    assert broken["name"] == "broken"
    assert 0 <= broken["probability"] <= 1
    assert what["choice"] in ("screen", True)
    assert [one["value"] for one in what["probabilities"]] == ["screen", True]
    kinds = {name: type(value) for name, value in seen["parsed"].items()}
    assert kinds == {"city": str, "degrees": int, "sunny": bool}
    assert seen["tool"] == "GetWeather"
    assert list(seen["tool_arguments"]) == list(seen["stream_tool"]) == ["city"]
    assert seen["tool_answer"] == seen["stream_tool_answer"] != ""
    assert "tool_calls.function.arguments.done" in seen["stream_events"]
    first, second = seen["request_id"]
    assert first == second
    assert first.startswith("req_")
    assert seen["headers"]["openai-version"] == "2020-10-01"
    assert int(seen["headers"]["x-ratelimit-limit-requests"]) > 0
    assert seen["error"] == [404, "model_not_found", "model"]
