"""Examples as tokens: what the model gets when it is served, and which of it is learned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from openedai.contract.chat import Chat, Message
from openedai.engines.llama_cpp.native.library import Library
from openedai.engines.llama_cpp.native.words import Words
from openedai.errors import EngineFailed
from openedai.training.lines import Completion, Conversation, Preference
from openedai.training.worker.rendering import Renderer, Tokens, render_all
from tests.training import tiny_chat

START = tiny_chat.CONTROL.index("<|im_start|>")


@pytest.fixture(scope="module")
def library() -> Library:
    return Library()


@pytest.fixture
def words(tmp_path: Path, library: Library) -> Iterator[Words]:
    with Words(library, "tiny", tiny_chat.write(tmp_path / "m.gguf")) as words:
        yield words


def conversation(*texts: str, learned: tuple[int, ...]) -> Conversation:
    """Of a user and the assistant in turn."""
    roles = ("user", "assistant")
    messages = [Message(role=roles[n % 2], content=text) for n, text in enumerate(texts)]
    return Conversation(Chat(messages=tuple(messages)), learned)


def turn(role: str, text: str) -> list[int]:
    opening = [START, *tiny_chat.ids_of(f"{role}\n")]
    return [*opening, *tiny_chat.ids_of(text), tiny_chat.END, *tiny_chat.ids_of("\n")]


def learned_text(tokens: Tokens) -> str:
    chosen = [id for id, learned in zip(tokens.ids, tokens.learned, strict=True) if learned]
    marks = {tiny_chat.END: "<end>"}
    return "".join(marks.get(id) or chr(id - tiny_chat.FIRST_BYTE) for id in chosen)


def test_answers_are_learned_with_their_end(words: Words) -> None:
    example = conversation("Hi", "Hello", "Bye", "Later", learned=(1, 3))
    (tokens,) = Renderer(words, 500).sequences(example)
    texts = [("user", "Hi"), ("assistant", "Hello"), ("user", "Bye"), ("assistant", "Later")]
    whole = [id for role, text in texts for id in turn(role, text)]
    assert tokens.ids == whole[:-1]  # without the line feed behind the last answer
    assert learned_text(tokens) == "Hello<end>Later<end>"
    assert tokens.learned_count == len("HelloLater") + 2


def test_only_some_answers_are_learned(words: Words) -> None:
    example = conversation("Hi", "Hello", "Bye", "Later", learned=(3,))
    (tokens,) = Renderer(words, 500).sequences(example)
    assert learned_text(tokens) == "Later<end>"


def test_a_template_that_writes_earlier_turns_otherwise(tmp_path: Path, library: Library) -> None:
    path = tiny_chat.write(tmp_path / "m.gguf", template=tiny_chat.MARKING)
    example = conversation("Hi", "Hello", "Bye", "Later", learned=(1, 3))
    with Words(library, "tiny", path) as words:
        first, second = Renderer(words, 500).sequences(example)
    assert (learned_text(first), learned_text(second)) == ("Hello<end>", "Later<end>")
    assert first.ids[: len(turn("user!", "Hi"))] == turn("user!", "Hi")
    earlier = [*turn("user", "Hi"), *turn("assistant", "Hello"), *turn("user!", "Bye")]
    assert second.ids[: len(earlier)] == earlier


def test_a_completion(words: Words) -> None:
    (tokens,) = Renderer(words, 500).sequences(Completion("2+2=", "4"))
    assert tokens.ids == [*tiny_chat.ids_of("2+2=4"), tiny_chat.END]
    assert learned_text(tokens) == "4<end>"


def test_a_preference(words: Words) -> None:
    chat = Chat(messages=(Message(role="user", content="Hi"),))
    good, bad = (Message(role="assistant", content=text) for text in ("Hello", "What"))
    pair = Renderer(words, 500).pair(Preference(chat, good, bad))
    assert learned_text(pair.preferred) == "Hello<end>"
    assert learned_text(pair.rejected) == "What<end>"
    assert pair.preferred.ids[: len(turn("user", "Hi"))] == turn("user", "Hi")


def test_long_examples_are_truncated(words: Words) -> None:
    renderer = Renderer(words, 30)
    (tokens,) = renderer.sequences(conversation("Hi", "long " * 20, learned=(1,)))
    assert (len(tokens.ids), len(tokens.learned), renderer.truncated) == (30, 30, 1)


def test_an_example_without_anything_to_learn_is_named(words: Words) -> None:
    examples = [
        conversation("Hi", "Hello", learned=(1,)),
        conversation("x" * 50, "y", learned=(1,)),
    ]
    with pytest.raises(ValueError, match="example 2 cannot be used: its first 40 tokens"):
        render_all(Renderer(words, 40), iter(examples))


def test_a_file_that_is_no_model(tmp_path: Path, library: Library) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF")
    with pytest.raises(EngineFailed, match="could not be loaded"):
        Words(library, "tiny", path)
