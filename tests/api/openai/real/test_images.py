"""Images through the whole server, to a real model with a projector of random weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from openedai.config import ModelSpec
from tests.api.answers import chat, refusal
from tests.engines.llama_cpp.native import tiny_projector
from tests.engines.llama_cpp.native.tiny_projector import IMAGE_TOKENS
from tests.media.images import BLUE, data_url, picture
from tests.support import ServerThread, echo_settings

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def vision_client(smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAI]:
    """The client of a server whose model sees; its projector lies beside the weights."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "model.gguf").symlink_to(smollm2_path)
    tiny_projector.write(folder / "mmproj.gguf")
    options = {"mmproj": "mmproj.gguf", "context": 512, "slots": 1, "threads": 1}
    source = str(folder / "model.gguf")
    vision = ModelSpec(id="vision", engine="llama_cpp", source=source, options=options)
    text_only = ModelSpec(id="text-only", engine="llama_cpp", source=source)
    settings = echo_settings(models=(vision, text_only), chat_model="vision")
    with ServerThread(settings) as running, running.client(timeout=300) as client:
        yield client


def user_message(*raw: bytes) -> dict[str, Any]:
    images = [{"type": "image_url", "image_url": {"url": data_url(one)}} for one in raw]
    return {"role": "user", "content": [{"type": "text", "text": "What is it?"}, *images]}


@pytest.mark.parametrize("stream", [False, True])
def test_images_are_counted(vision_client: OpenAI, stream: bool) -> None:
    body: dict[str, Any] = {"model": "vision", "max_completion_tokens": 3, "temperature": 0}
    usage = [
        chat(
            vision_client, stream, messages=[user_message(*[picture(9, 9, BLUE)] * number)], **body
        ).usage
        for number in range(3)
    ]
    plain = usage[0].prompt_tokens
    counted = [plain + number * IMAGE_TOKENS for number in range(3)]
    assert [one.prompt_tokens for one in usage] == counted


def test_refusals(vision_client: OpenAI) -> None:
    assert refusal(vision_client, model="text-only", messages=[user_message(picture())]) == (
        "unsupported_value",
        "messages[0].content[1].type",
    )
    assert refusal(vision_client, model="vision", messages=[user_message(*[picture()] * 32)]) == (
        "context_length_exceeded",
        "messages",
    )
