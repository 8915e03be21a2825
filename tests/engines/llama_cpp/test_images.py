"""Images through llama.cpp, with a projector of random weights: tests of what is counted,
distinguished and refused, not of what the model recognises.
"""

from __future__ import annotations

import asyncio
import base64
import random
import shutil
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from openedai.contract.chat import Chat, Image, Message, Tool
from openedai.contract.generate import (
    GenerateEvent,
    GenerateRequest,
    Regex,
    Sampling,
    ToolCallDelta,
)
from openedai.engines.llama_cpp.engine import LlamaCpp
from openedai.engines.llama_cpp.images import ImagePrompt, projector_path
from openedai.engines.llama_cpp.template import Modalities, Properties, SlotDefaults
from openedai.errors import ContextLengthExceeded, EngineFailed, InvalidRequest, NoVision
from tests.engines.llama_cpp import tiny_projector
from tests.engines.llama_cpp.tiny_projector import IMAGE_TOKENS
from tests.events import collect, finish_of, logprobs_of, text_of
from tests.media.images import BLUE, FORMATS, RED, picture

Scenario = Callable[[LlamaCpp], Coroutine[Any, Any, None]]
Run = Callable[[Scenario], None]
CONTEXT = 512
SMALL = {"slots": 1, "context": CONTEXT, "threads": 1}


@pytest.fixture(scope="module")
def projector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_projector.write(tmp_path_factory.mktemp("projector") / "mmproj.gguf")


@pytest.fixture(scope="module", params=["wheel", "native"])
def run(request: pytest.FixtureRequest, smollm2_path: Path, projector: Path) -> Iterator[Run]:
    """Runs a scenario on a model with a projector, which all tests of the module share."""
    native = request.param == "native"
    server = request.getfixturevalue("native_server") if native else "wheel"
    options = {**SMALL, "mmproj": str(projector), "server": server}
    with asyncio.Runner() as runner:
        engine = runner.run(LlamaCpp.load("m", smollm2_path, options))
        yield lambda scenario: runner.run(scenario(engine))
        runner.run(engine.close())


def image(raw: bytes, at: int = 0, media_type: str = "image/png") -> Image:
    return Image(raw=raw, media_type=media_type, at=at)


def user_chat(text: str, *images: Image, **more: Any) -> Chat:
    return Chat(messages=(Message(role="user", content=text, images=images),), **more)


async def answer(engine: LlamaCpp, chat: Chat, **more: Any) -> list[GenerateEvent]:
    more = {"sampling": Sampling(temperature=0.0), "max_tokens": 4, **more}
    return await collect(engine, GenerateRequest(prompt=chat, **more))


async def scores(engine: LlamaCpp, chat: Chat) -> list[float | None]:
    """The probabilities of the likeliest first tokens: they depend on the whole prompt."""
    events = await answer(engine, chat, logprobs=5, max_tokens=1)
    (token,) = logprobs_of(events)
    return [round(other.logprob, 3) for other in token.top]


@pytest.mark.real
def test_images_are_counted_and_kept(run: Run) -> None:
    async def scenario(engine: LlamaCpp) -> None:
        plain = finish_of(await answer(engine, user_chat("What is it?"))).usage.prompt_tokens
        chat = user_chat("What is it?", image(picture()), image(picture(9, 99, BLUE)))
        first = finish_of(await answer(engine, chat)).usage
        assert first.prompt_tokens == plain + 2 * IMAGE_TOKENS
        again = finish_of(await answer(engine, chat)).usage
        assert again.prompt_tokens == first.prompt_tokens
        assert again.cached_tokens > plain
        other = user_chat("What is it?", image(picture(9, 99, BLUE)), image(picture()))
        assert finish_of(await answer(engine, other)).usage.cached_tokens < IMAGE_TOKENS + plain

    run(scenario)


@pytest.mark.real
def test_images_their_order_and_their_positions_matter(run: Run) -> None:
    async def scenario(engine: LlamaCpp) -> None:
        red, blue = picture(20, 20, RED), picture(20, 20, BLUE)
        found = [
            await scores(engine, chat)
            for chat in (
                user_chat("What is it?"),
                user_chat("What is it?", image(red)),
                user_chat("What is it?", image(blue)),
                user_chat("What is it?", image(red), image(blue)),
                user_chat("What is it?", image(blue), image(red)),
                user_chat("What is it?", image(red), image(blue, at=11)),
                user_chat("What is it?", image(red, at=4)),
            )
        ]
        assert len({tuple(one) for one in found}) == len(found)
        assert await scores(engine, user_chat("What is it?", image(red))) == found[1]

    run(scenario)


@pytest.mark.real
@pytest.mark.parametrize(("kind", "media_type"), FORMATS.items())
def test_every_format(run: Run, kind: str, media_type: str) -> None:
    async def scenario(engine: LlamaCpp) -> None:
        seen = user_chat("?", image(picture(30, 20, BLUE, kind=kind), media_type=media_type))
        if kind == "WEBP" and not shutil.which("ffmpeg"):
            with pytest.raises(InvalidRequest, match="ffmpeg") as caught:
                await answer(engine, seen)
            assert caught.value.code == "invalid_image_format"
        else:
            assert finish_of(await answer(engine, seen)).usage.completion_tokens > 0

    run(scenario)


@pytest.mark.real
def test_pictures_of_every_shape(run: Run) -> None:
    """The largest is of noise, so that it is large as a file too."""
    noise = random.Random(1).randbytes(3 * 1000 * 1000)

    async def scenario(engine: LlamaCpp) -> None:
        for raw in (
            picture(1, 1),
            picture(200, 1),
            picture(1, 200),
            picture(3000, 15),
            picture(50, 50, mode="1"),
            picture(50, 50, mode="RGBA"),
            picture(50, 50, mode="I;16"),
            picture(1000, 1000, pixels=noise),
        ):
            usage = finish_of(await answer(engine, user_chat("?", image(raw)), max_tokens=1)).usage
            assert usage.prompt_tokens > IMAGE_TOKENS

    run(scenario)


@pytest.mark.real
def test_what_is_refused(run: Run) -> None:
    async def scenario(engine: LlamaCpp) -> None:
        with pytest.raises(ContextLengthExceeded) as caught:
            await answer(engine, user_chat("?", *[image(picture())] * (CONTEXT // IMAGE_TOKENS)))
        assert caught.value.param == "messages"

        mark = (await engine.api.call("GET", "/props"))["media_marker"]
        for chat in (
            user_chat(f"See {mark}", image(picture())),
            user_chat(f"{mark}{mark}", image(RAW)),
        ):
            with pytest.raises(InvalidRequest, match="mark"):
                await answer(engine, chat)
        plain = await answer(engine, user_chat(f"See {mark}"))
        assert finish_of(plain).usage.completion_tokens > 0

        damaged = picture(90, 90)[:8] + bytes(40)  # neither llama.cpp nor ffmpeg can read it
        with pytest.raises(InvalidRequest, match="image") as refused:
            await answer(engine, user_chat("?", image(damaged)))
        assert refused.value.param == "messages"
        assert (
            finish_of(await answer(engine, user_chat("?", image(RAW)))).usage.completion_tokens > 0
        )

    run(scenario)


@pytest.mark.real
def test_constraints_stops_and_tools_work_with_images(run: Run) -> None:
    async def scenario(engine: LlamaCpp) -> None:
        chat = user_chat("Which number?", image(picture()))
        events = await answer(engine, chat, constraint=Regex(pattern="[0-9]{3} end [a-z]{9}"))
        assert len(text_of(events)) >= 4

        held = Regex(pattern="one STOP two")
        events = await answer(engine, chat, constraint=held, stop=("STOP",), max_tokens=20)
        assert (text_of(events), finish_of(events).reason) == ("one ", "stop")

        events = await answer(engine, chat, max_tokens=2)
        assert finish_of(events).reason == "length"
        assert finish_of(events).usage.completion_tokens == 2

        tool = Tool(name="look", parameters={"type": "object", "properties": {}})
        asked = user_chat("Look!", image(picture()), tools=(tool,), call_required=True)
        events = await answer(engine, asked, max_tokens=200)
        calls = [event for event in events if isinstance(event, ToolCallDelta)]
        assert calls[0].name == "look"
        assert finish_of(events).usage.prompt_tokens > IMAGE_TOKENS

    run(scenario)


@pytest.mark.real
def test_slots_with_images_are_saved(smollm2_path: Path, projector: Path, tmp_path: Path) -> None:
    """After an unload, the images are restored or computed again."""

    async def go() -> None:
        options = {**SMALL, "mmproj": str(projector), "prompt_cache": str(tmp_path)}
        found = []
        for _ in range(2):
            engine = await LlamaCpp.load("m", smollm2_path, {**options, "server": "wheel"})
            found.append(await scores(engine, user_chat("What is it?", image(picture()))))
            await engine.close()
        assert found[0] == found[1]

    asyncio.run(go())


@pytest.mark.real
def test_a_model_without_a_projector(smollm2_path: Path) -> None:
    async def go() -> None:
        engine = await LlamaCpp.load("m", smollm2_path, {**SMALL, "server": "wheel"})
        with pytest.raises(NoVision) as caught:
            await answer(engine, user_chat("?", image(picture())))
        assert caught.value.param == "messages"
        await engine.close()

    asyncio.run(go())
    assert not LlamaCpp.traits({}).supports_images
    assert LlamaCpp.traits({"mmproj": "x.gguf"}).supports_images


@pytest.mark.real
@pytest.mark.parametrize("server", ["wheel", "native"])
def test_files_that_are_not_projectors(
    smollm2_path: Path, tmp_path: Path, server: str, request: pytest.FixtureRequest
) -> None:
    if server == "native":
        server = request.getfixturevalue("native_server")
    wrong = tiny_projector.write(tmp_path / "wide.gguf", model_width=64)
    (tmp_path / "broken.gguf").write_bytes(b"GGUF nothing")
    for path in (wrong, tmp_path / "broken.gguf", tmp_path / "gone.gguf", smollm2_path):
        options = {**SMALL, "mmproj": str(path), "server": server}
        with pytest.raises(EngineFailed, match="`m`"):
            asyncio.run(LlamaCpp.load("m", smollm2_path, options))


RAW = picture()


def test_the_path_of_the_projector(tmp_path: Path) -> None:
    weights, beside = tmp_path / "m.gguf", tmp_path / "sub" / "mmproj.gguf"
    beside.parent.mkdir()
    beside.touch()
    assert projector_path("m", weights, None) is None
    for named in ("sub/mmproj.gguf", str(beside)):
        assert projector_path("m", weights, named) == str(beside)
    for named in ("mmproj.gguf", "sub", ""):
        with pytest.raises(EngineFailed, match=r"`m`.*`mmproj`"):
            projector_path("m", weights, named)


def image_prompt(**modalities: bool) -> ImagePrompt:
    known = Modalities(**modalities)
    return ImagePrompt(
        "m", Properties(default_generation_settings=SlotDefaults(1), modalities=known)
    )


def test_markers_are_at_the_positions_of_the_images() -> None:
    """The marker is the default one, as an older server reports none."""
    chat = Chat(
        messages=(
            Message(role="system", content="s"),
            Message(role="user", content="añc", images=(image(b"1", 0), image(b"2", 2))),
            Message(role="user", images=(image(b"3", 0),)),
        )
    )
    marked, images = image_prompt(vision=True).insert_markers(chat)
    assert [message.content for message in marked.messages] == [
        "s",
        "<__media__>añ<__media__>c",
        "<__media__>",
    ]
    assert [one.raw for one in images] == [b"1", b"2", b"3"]
    prompt = image_prompt(vision=True).attach("<__media__>x<__media__><__media__>", images)
    assert prompt == {
        "prompt_string": "<__media__>x<__media__><__media__>",
        "multimodal_data": [b"1", b"2", b"3"],
    }
    for text in ("<__media__><__media__>", "<__media__>" * 4):
        with pytest.raises(InvalidRequest):
            image_prompt(vision=True).attach(text, images)
    assert image_prompt().attach("<__media__>", []) == "<__media__>"
    with pytest.raises(NoVision):
        image_prompt().insert_markers(chat)


def test_webp_needs_ffmpeg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    chat = user_chat("?", image(b"", media_type="image/webp"))
    monkeypatch.setenv("PATH", str(tmp_path))
    for can in (False, True):
        with pytest.raises(InvalidRequest):
            image_prompt(vision=True, video=can).insert_markers(chat)
    for name in ("ffmpeg", "ffprobe"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    assert image_prompt(vision=True, video=True).insert_markers(chat)
    with pytest.raises(InvalidRequest):
        image_prompt(vision=True).insert_markers(chat)


def test_images_are_sent_as_base64() -> None:
    """The client for llama.cpp encodes bodies with msgspec."""
    body = msgspec.json.decode(msgspec.json.encode({"multimodal_data": [RAW]}))
    assert base64.b64decode(body["multimodal_data"][0]) == RAW
