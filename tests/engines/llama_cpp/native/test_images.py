"""Images through llama.cpp, with a projector of random weights: tests of what is counted,
distinguished and refused, not of what the model recognises.
"""

from __future__ import annotations

import asyncio
import gc
import io
import random
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as pillow

from openedai.contract.chat import Chat, Image, Message, Tool
from openedai.contract.generate import (
    GenerateEvent,
    GenerateRequest,
    Regex,
    Sampling,
    ToolCallDelta,
)
from openedai.engines.llama_cpp.engine import LlamaCpp
from openedai.engines.llama_cpp.native.images import EncodedImage, Projector
from openedai.errors import ContextLengthExceeded, EngineFailed, InvalidRequest, NoVision
from tests.engines.llama_cpp.native import tiny_projector
from tests.engines.llama_cpp.native.tiny_projector import IMAGE_TOKENS
from tests.events import collect, finish_of, logprobs_of, text_of
from tests.media.images import BLUE, FORMATS, RED, picture

Scenario = Callable[[LlamaCpp], Coroutine[Any, Any, None]]
Run = Callable[[Scenario], None]
Patch = pytest.MonkeyPatch
CONTEXT = 512
SMALL = {"slots": 1, "context": CONTEXT, "threads": 1}


@pytest.fixture(scope="module")
def projector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_projector.write(tmp_path_factory.mktemp("projector") / "mmproj.gguf")


@pytest.fixture(scope="module")
def run(smollm2_path: Path, projector: Path) -> Iterator[Run]:
    """Runs a scenario on a model with a projector, which all tests of the module share."""
    options = {**SMALL, "mmproj": str(projector)}
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
        red, blue = image(picture()), image(picture(9, 99, BLUE))
        chat = user_chat("What is it?", red, blue)
        first = finish_of(await answer(engine, chat)).usage
        assert first.prompt_tokens == plain + 2 * IMAGE_TOKENS
        assert await engine.count(chat) == first.prompt_tokens
        again = finish_of(await answer(engine, chat)).usage
        assert again.prompt_tokens == first.prompt_tokens
        assert again.cached_tokens == first.prompt_tokens - 1
        other = user_chat("What is it?", blue, red)
        assert finish_of(await answer(engine, other)).usage.cached_tokens < plain

        # A conversation goes on after its image, and the same image is not the same place twice.
        question = (*user_chat("What is it?", red).messages, Message(role="assistant", content="?"))
        longer = Chat(messages=(*question, Message(role="user", content="So?", images=(red,))))
        await answer(engine, user_chat("What is it?", red))
        found = finish_of(await answer(engine, longer)).usage
        assert found.cached_tokens > IMAGE_TOKENS
        assert found.prompt_tokens > found.cached_tokens + IMAGE_TOKENS

    run(scenario)


@pytest.mark.real
def test_only_images_that_are_not_kept_are_encoded(run: Run, monkeypatch: Patch) -> None:
    encoded = []
    encode = Projector.encode

    def counting(projector: Projector, one: EncodedImage) -> Future[Any]:
        encoded.append(one)
        return encode(projector, one)

    async def scenario(engine: LlamaCpp) -> None:
        red, blue = image(picture(7, 7)), image(picture(7, 7, BLUE))
        await answer(engine, user_chat("Now?", red))
        await answer(engine, user_chat("Now?", red, blue))
        await answer(engine, user_chat("Now?", red, blue))
        assert len(encoded) == 2
        assert await engine.count(user_chat("Now?", blue, red)) > 2 * IMAGE_TOKENS
        assert len(encoded) == 2

    monkeypatch.setattr(Projector, "encode", counting)
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
                user_chat("What is it?", image(red), image(red)),
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
        assert finish_of(await answer(engine, seen)).usage.prompt_tokens > IMAGE_TOKENS

    run(scenario)


@pytest.mark.real
def test_what_is_seen_is_upright_and_on_white(run: Run) -> None:
    """So that different files of the same look are the same image."""
    drawn = pillow.new("RGB", (20, 40), "white")
    drawn.paste(RED, (0, 0, 20, 10))
    rotated = drawn.transpose(pillow.Transpose.ROTATE_90)
    exif = pillow.Exif()
    exif[0x0112] = 6  # shown rotated to the right
    transparent = drawn.convert("RGBA")
    transparent.paste((0, 0, 255, 0), (0, 10, 20, 40))

    async def scenario(engine: LlamaCpp) -> None:
        for form, options in ((drawn, {}), (rotated, {"exif": exif}), (transparent, {})):
            file = io.BytesIO()
            form.save(file, "PNG", **options)
            usage = finish_of(await answer(engine, user_chat("Up?", image(file.getvalue())))).usage
            assert (usage.cached_tokens == usage.prompt_tokens - 1) == (form is not drawn)

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

        damaged = picture(90, 90)[:8] + bytes(40)
        for broken, code in ((damaged, "image_parse_error"), (b"?", "invalid_image_format")):
            with pytest.raises(InvalidRequest, match="image") as refused:
                await answer(engine, user_chat("?", image(RAW), image(broken)))
            assert (refused.value.param, refused.value.code) == ("messages", code)
        with pytest.raises(InvalidRequest, match="image") as refused:
            await answer(engine, user_chat("?", image(RAW)), prompt_logprobs=1)
        assert refused.value.param == "prompt_logprobs"
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
        asked = user_chat("What is it?", image(picture()))
        engine = await LlamaCpp.load("m", smollm2_path, options)
        await answer(engine, asked, max_tokens=1)
        # Only the last token is computed, as after the next load: in a batch of another size it
        # would be rounded in another way.
        before = await scores(engine, asked)
        await engine.close()
        engine = await LlamaCpp.load("m", smollm2_path, options)
        after = await scores(engine, asked)
        await engine.close()
        assert before == after

    asyncio.run(go())


@pytest.mark.real
def test_a_model_without_a_projector(smollm2_path: Path) -> None:
    async def go() -> None:
        engine = await LlamaCpp.load("m", smollm2_path, SMALL)
        with pytest.raises(NoVision) as caught:
            await answer(engine, user_chat("?", image(picture())))
        assert caught.value.param == "messages"
        await engine.close()

    asyncio.run(go())
    assert not LlamaCpp.traits({}).supports_images
    assert LlamaCpp.traits({"mmproj": "x.gguf"}).supports_images


@pytest.mark.real
def test_files_that_are_not_projectors(smollm2_path: Path, tmp_path: Path) -> None:
    wide = tiny_projector.write(tmp_path / "wide.gguf", model_width=64)
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF nothing")
    for path, why in (
        (wide, "mismatch"),
        (broken, "not a projector"),
        (tmp_path / "gone.gguf", "no file"),
        (tmp_path, "no file"),
        (smollm2_path, "not a projector"),
    ):
        options = {**SMALL, "mmproj": str(path)}
        with pytest.raises(EngineFailed, match=f"`m`.*{why}"):
            asyncio.run(LlamaCpp.load("m", smollm2_path, options))


@pytest.mark.real
def test_a_template_that_leaves_images_out(smollm2_path: Path, projector: Path) -> None:
    template = "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}"

    async def go() -> None:
        options = {**SMALL, "mmproj": str(projector), "chat_template": template}
        engine = await LlamaCpp.load("m", smollm2_path, options)
        # An image may be all of a prompt.
        usage = finish_of(await answer(engine, user_chat("", image(RAW)))).usage
        assert usage.prompt_tokens == IMAGE_TOKENS + 1
        hidden = Message(role="assistant", images=(image(RAW),))
        with pytest.raises(InvalidRequest, match="leaves images out") as caught:
            await answer(engine, Chat(messages=(hidden, Message(role="user", content="?"))))
        assert caught.value.param == "messages"
        await engine.close()

    asyncio.run(go())


@pytest.mark.real
def test_other_answers_go_on_while_an_image_is_encoded(
    smollm2_path: Path, projector: Path, monkeypatch: Patch
) -> None:
    async def go() -> None:
        waiting: Future[Any] = Future()
        asked = asyncio.Event()
        events = asyncio.get_running_loop()

        def never(projector: Projector, one: EncodedImage) -> Future[Any]:
            events.call_soon_threadsafe(asked.set)
            return waiting

        options = {**SMALL, "slots": 2, "mmproj": str(projector)}
        engine = await LlamaCpp.load("m", smollm2_path, options)
        with monkeypatch.context() as patch:
            patch.setattr(Projector, "encode", never)
            seen = asyncio.create_task(answer(engine, user_chat("?", image(RAW))))
            await asked.wait()
            assert text_of(await answer(engine, user_chat("Hello")))
            assert not seen.done()
            waiting.set_exception(EngineFailed("broken"))
            with pytest.raises(EngineFailed, match="broken"):
                await seen
        usage = finish_of(await answer(engine, user_chat("?", image(RAW)))).usage
        assert usage.cached_tokens < usage.prompt_tokens - IMAGE_TOKENS
        await engine.close()

    asyncio.run(go())


@pytest.mark.real
def test_requests_that_are_cancelled(run: Run) -> None:
    """At any time; nothing is left of them, and others are answered."""

    async def cancel(engine: LlamaCpp, steps: int) -> None:
        images = image(RAW), image(picture(30, 30, BLUE))
        chats = [user_chat(f"{steps} {number}", *images) for number in range(3)]
        tasks = [asyncio.create_task(answer(engine, chat)) for chat in chats]
        for _ in range(steps):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def scenario(engine: LlamaCpp) -> None:
        expected = await scores(engine, user_chat("?", image(RAW)))
        for steps in (0, 1, 3, 10, 30, 100, 1000):
            await cancel(engine, steps)
        assert await scores(engine, user_chat("?", image(RAW))) == expected
        await answer(engine, user_chat("?"))
        gc.collect()
        assert not [one for one in gc.get_objects() if isinstance(one, EncodedImage)]

    run(scenario)


RAW = picture()
