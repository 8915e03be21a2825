"""The reader of GGUF metadata, against the format's own library."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from gguf import GGUFWriter
from hypothesis import given
from hypothesis import strategies as st

from openedai.gguf.strings import read_strings

NAME, TEMPLATE = "general.name", "tokenizer.chat_template"
Pairs = Callable[[GGUFWriter], None]


def written(path: Path, pairs: Pairs) -> Path:
    writer = GGUFWriter(path, "llama")
    pairs(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@given(
    name=st.text(),
    template=st.text(min_size=1),
    tokens=st.lists(st.text(min_size=1), min_size=1),
    scores=st.lists(st.floats(width=32, allow_nan=False), min_size=1),
    flags=st.lists(st.booleans(), min_size=1),
    number=st.integers(0, 2**64 - 1),
)
def test_what_was_written_is_read(
    name: str, template: str, tokens: list[str], scores: list[float], flags: list[bool], number: int
) -> None:
    def pairs(writer: GGUFWriter) -> None:
        writer.add_bool("a.bool", True)
        writer.add_uint8("a.uint8", 1)
        writer.add_int16("an.int16", -1)
        writer.add_float64("a.float64", 0.5)
        writer.add_array("tokenizer.ggml.tokens", tokens)
        writer.add_array("tokenizer.ggml.scores", scores)
        writer.add_array("flags", flags)
        writer.add_uint64("a.number", number)
        if name:
            writer.add_name(name)
        writer.add_chat_template(template)

    wanted = {NAME: name, TEMPLATE: template} if name else {TEMPLATE: template}
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder) / "m.gguf", pairs)
        assert read_strings(path, {NAME, TEMPLATE, "a.number", "none"}) == wanted
        whole = path.read_bytes()
        for cut in (3, 20, len(whole) // 2, whole.index(TEMPLATE.encode()) + len(TEMPLATE)):
            path.write_bytes(whole[:cut])
            with pytest.raises(ValueError, match=r"m\.gguf"):
                read_strings(path, {TEMPLATE})


@given(st.binary(max_size=200))
def test_what_is_no_gguf_is_refused(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.gguf"
        for head in (b"", b"GGUF", b"GGUF\3\0\0\0\0\0\0\0\0\0\0\0\xff\0\0\0\0\0\0\0"):
            path.write_bytes(head + content)
            with pytest.raises(ValueError, match=r"m\.gguf"):
                read_strings(path, {NAME})
