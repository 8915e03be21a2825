"""The reader of headers, against the format's own library."""

from __future__ import annotations

import contextlib
import struct
import tempfile
from pathlib import Path

import pytest
from gguf import GGUFWriter
from hypothesis import given
from hypothesis import strategies as st

from openedai.gguf.header import (
    Tensor,
    TensorType,
    encode_tensor,
    parse_header,
    read_header,
    read_metadata,
    round_up,
)
from tests.gguf import tiny_gguf

NAME, TEMPLATE = "general.name", "tokenizer.chat_template"


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return tiny_gguf.write(tmp_path_factory.mktemp("gguf") / "m.gguf").read_bytes()


def test_the_header_of_a_file(content: bytes) -> None:
    header = parse_header(content)
    metadata = header.metadata
    assert {tensor.name: tensor.type.name for tensor in header.tensors} == {
        name: type for name, (_, type) in tiny_gguf.LAYER.items()
    }
    assert [tensor.shape[::-1] for tensor in header.tensors][:1] == [(64, 96)]
    assert metadata.integers["general.file_type"].value == tiny_gguf.Q4_1_TYPE
    assert metadata.strings[TEMPLATE] == tiny_gguf.TEMPLATE
    assert (metadata.alignment, metadata.file_count) == (32, 1)
    assert metadata.raw == content[: len(metadata.raw)]
    encoded = b"".join(encode_tensor(tensor) for tensor in header.tensors)
    assert content[len(metadata.raw) :].startswith(encoded)
    assert header.data_offset == round_up(len(metadata.raw) + len(encoded), 32)
    assert header.data_offset + header.tensors[-1].offset + header.tensors[-1].size <= len(content)


def test_another_alignment(tmp_path: Path) -> None:
    header = read_header(tiny_gguf.write(tmp_path / "m.gguf", alignment=128))
    assert header.metadata.alignment == 128
    assert all(tensor.offset % 128 == 0 for tensor in header.tensors)


@given(
    name=st.text(),
    template=st.text(min_size=1),
    tokens=st.lists(st.text(min_size=1), min_size=1),
    scores=st.lists(st.floats(width=32, allow_nan=False), min_size=1),
    flags=st.lists(st.booleans(), min_size=1),
    number=st.integers(0, 2**64 - 1),
)
def test_strings_and_integers_among_values_of_other_types(
    name: str, template: str, tokens: list[str], scores: list[float], flags: list[bool], number: int
) -> None:
    def add_pairs(writer: GGUFWriter) -> None:
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

    named = {NAME: name} if name else {}
    with tempfile.TemporaryDirectory() as folder:
        path = tiny_gguf.write_metadata(Path(folder) / "m.gguf", add_pairs)
        metadata = read_metadata(path)
    assert metadata.strings == {"general.architecture": "llama", TEMPLATE: template} | named
    integers = {key: integer.value for key, integer in metadata.integers.items()}
    assert integers == {"a.uint8": 1, "an.int16": -1, "a.number": number}


def test_the_metadata_of_a_file_with_an_unknown_tensor_type(tmp_path: Path, content: bytes) -> None:
    metadata = parse_header(content).metadata
    path = tmp_path / "m.gguf"
    damaged = bytearray(content)
    struct.pack_into("<Q", damaged, 8, 1)
    tensor = struct.pack("<QcIQIQ", 1, b"t", 1, 1, 99, 0)
    path.write_bytes(damaged[: len(metadata.raw)] + tensor)
    assert read_metadata(path).strings == metadata.strings
    with pytest.raises(ValueError, match="'t' has a type, 99"):
        read_header(path)


@given(st.data())
def test_a_truncated_file(content: bytes, data: st.DataObject) -> None:
    header = parse_header(content)
    encoded = sum(len(encode_tensor(tensor)) for tensor in header.tensors)
    size = data.draw(st.integers(0, len(header.metadata.raw) + encoded - 1))
    with pytest.raises(ValueError, match=r"ends too early|begin with GGUF"):
        parse_header(content[:size])


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").touch()
    with pytest.raises(ValueError, match="ends too early"):
        read_metadata(tmp_path / "m.gguf")


@given(st.data())
def test_a_damaged_file_is_read_or_refused(content: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(parse_header(content).metadata.raw)))
    damage = data.draw(st.binary(min_size=1, max_size=16))
    with contextlib.suppress(ValueError):  # and nothing else
        parse_header(content[:at] + damage + content[at + len(damage) :])


@given(st.binary(max_size=200))
def test_random_bytes_after_the_magic_number(rest: bytes) -> None:
    for start in (struct.pack("<IQ", 3, 1), struct.pack("<IQQ", 3, 0, 255)):
        with pytest.raises(ValueError, match=r"."):
            parse_header(b"GGUF" + start + rest + b"\xff" * 8)


@pytest.mark.parametrize("start", [b"", b"PK\3\4", b"GGUF\1\0\0\0", b"GGUF\0\0\0\3"])
def test_other_files(start: bytes) -> None:
    with pytest.raises(ValueError, match=r"GGUF|version|early"):
        parse_header(start + bytes(100))


@pytest.mark.parametrize("shape", [(0,), (32, 0), (1,) * 5])
def test_invalid_shapes(shape: tuple[int, ...]) -> None:
    tensor = encode_tensor(Tensor("t", shape, TensorType.F32, 0))
    with pytest.raises(ValueError, match="'t' has"):
        parse_header(b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + tensor)


def test_an_invalid_alignment() -> None:
    key = b"general.alignment"
    pair = struct.pack("<Q", len(key)) + key + struct.pack("<II", 4, 0)
    with pytest.raises(ValueError, match="alignment of 0 bytes"):
        parse_header(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + pair)


def test_a_row_is_a_whole_number_of_blocks() -> None:
    assert TensorType.Q4_K.row_bytes(512) == 288
    with pytest.raises(ValueError, match="no whole number of Q4_K blocks"):
        TensorType.Q4_K.row_bytes(576)
