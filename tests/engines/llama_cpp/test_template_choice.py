"""Which chat template a model gets."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from gguf import GGUFWriter

from openedai.contract.chat import Chat, Message
from openedai.contract.generate import Finish, GenerateRequest
from openedai.engines.llama_cpp.engine import LlamaCpp
from openedai.engines.llama_cpp.template_choice import choose_format
from openedai.errors import EngineFailed
from openedai.prompts.prompt_formats import PromptFormat, prompt_format
from tests.events import collect, finish_of
from tests.gguf.tiny_gguf import write_metadata


def chosen(
    path: Path, model: str = "m", template: str | None = None, name: str | None = None
) -> PromptFormat | None:
    return choose_format(model, path, chat_template=template, prompt_format=name)


@pytest.fixture
def koala(tmp_path: Path) -> Path:
    """Weights that are called Koala and have no template."""
    return write_metadata(tmp_path / "weights.gguf", lambda writer: writer.add_name("Koala 13B"))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Weights with a template."""

    def pairs(writer: GGUFWriter) -> None:
        writer.add_name("Koala 13B")
        writer.add_chat_template("{{ messages }}")

    return write_metadata(tmp_path / "own.gguf", pairs)


def test_the_template_of_the_file_is_kept(own: Path) -> None:
    assert chosen(own, "vicuna") is None


def test_options_go_before_the_file(own: Path, tmp_path: Path) -> None:
    assert chosen(own, name="alpaca") == prompt_format("alpaca")
    mine = chosen(own, template="{{ messages[0] }}", name="alpaca")
    assert mine == PromptFormat("", "{{ messages[0] }}", ())
    (tmp_path / "mine.jinja").write_text("hé", "utf-8")
    mine = chosen(own, template=str(tmp_path / "mine.jinja"))
    assert mine is not None
    assert mine.template == "hé"


def test_without_a_template_the_names_decide(
    koala: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert chosen(koala) == prompt_format("koala")
    assert chosen(koala, "my-vicuna-7b") == prompt_format("vicuna-1.1")
    assert chosen(koala.rename(tmp_path / "mpt-7b-chat.gguf")) == prompt_format("mpt")
    assert chosen(write_metadata(tmp_path / "x.gguf", lambda writer: None)) == prompt_format(
        "plain"
    )
    said = [record.getMessage() for record in caplog.records]
    assert [line.split("`")[3] for line in said] == ["koala", "vicuna-1.1", "mpt", "plain"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"name": "nothing"}, "`m`.*'nothing'.*alpaca"),
        ({"template": "/nowhere/x.jinja"}, r"`m`.*x\.jinja"),
    ],
)
def test_wrong_options_are_named(koala: Path, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(EngineFailed, match=complaint):
        chosen(koala, **options)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "weights.gguf"
    path.write_bytes(b"GGUF\3")
    with pytest.raises(EngineFailed, match=r"`m`.*weights\.gguf is no GGUF file, or a broken one"):
        chosen(path)


async def template_and_call(
    model: str, path: Path, **options: Any
) -> tuple[str, tuple[str, ...] | None, Finish]:
    """The template that is used, the stops that come with it, and that it answers."""
    engine = await LlamaCpp.load(model, path, {"slots": 1, "context": 256, **options})
    try:
        chat = Chat(messages=(Message(role="user", content="hi"),))
        request = GenerateRequest(prompt=chat, max_tokens=4)
        finish = finish_of(await collect(engine, request))
        return engine.builder.template.source, engine.builder.model_stops, finish
    finally:
        await engine.close()


@pytest.mark.real
def test_the_format_replaces_a_missing_template(smollm2_path: Path, tmp_path: Path) -> None:
    """SmolLM2's weights under another name, with the key of their template made another key."""
    path = tmp_path / "koala-13B-HF.gguf"
    key = b"tokenizer.chat_template"
    path.write_bytes(smollm2_path.read_bytes().replace(key, b"tokenizer.hidden_template"[:23], 1))
    found, stops, finish = asyncio.run(template_and_call("m", path))
    koala = prompt_format("koala")
    assert found == koala.template
    assert stops == koala.stop
    assert finish.usage.completion_tokens > 0


@pytest.mark.real
def test_the_options_come_first(smollm2_path: Path) -> None:
    kept, stops, _ = asyncio.run(template_and_call("koala", smollm2_path))
    assert "SmolLM" in kept
    assert stops is None

    template = "{% for message in messages %}{{ message.content }}{% endfor %}"
    taken, stops, _ = asyncio.run(template_and_call("m", smollm2_path, chat_template=template))
    assert taken == template
    assert stops == ()

    with pytest.raises(EngineFailed, match="`m`"):
        asyncio.run(template_and_call("m", smollm2_path, chat_template="{% if"))
