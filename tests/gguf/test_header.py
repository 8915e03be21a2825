from __future__ import annotations

import contextlib
import io
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.gguf.header import Tensor, TensorType, describe, padded, read_header
from tests.gguf import tiny_gguf


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return tiny_gguf.write(tmp_path_factory.mktemp("gguf") / "m.gguf").read_bytes()


def test_what_a_file_says(whole: bytes) -> None:
    header = read_header(io.BytesIO(whole))
    assert {tensor.name: tensor.type.name for tensor in header.tensors} == {
        name: kind for name, (_, kind) in tiny_gguf.LAYER.items()
    }
    assert [tensor.shape[::-1] for tensor in header.tensors][:1] == [(64, 96)]
    assert header.integers["general.file_type"].value == tiny_gguf.Q4_1_TYPE
    assert (header.alignment, header.parts) == (32, 1)
    assert header.metadata == whole[: len(header.metadata)]
    described = b"".join(describe(tensor) for tensor in header.tensors)
    assert whole[len(header.metadata) :].startswith(described)
    assert header.data_at == padded(len(header.metadata) + len(described), 32)
    assert header.data_at + header.tensors[-1].offset + header.tensors[-1].size <= len(whole)


def test_another_alignment(tmp_path: Path) -> None:
    path = tiny_gguf.write(tmp_path / "m.gguf", alignment=128)
    with path.open("rb") as file:
        header = read_header(file)
    assert header.alignment == 128
    assert all(tensor.offset % 128 == 0 for tensor in header.tensors)


@given(st.data())
def test_a_file_that_ends_too_early(whole: bytes, data: st.DataObject) -> None:
    header = read_header(io.BytesIO(whole))
    described = sum(len(describe(tensor)) for tensor in header.tensors)
    size = data.draw(st.integers(0, len(header.metadata) + described - 1))
    with pytest.raises(ValueError, match=r"ends too early|begin with GGUF"):
        read_header(io.BytesIO(whole[:size]))


@given(st.data())
def test_a_damaged_file_is_read_or_refused(whole: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(read_header(io.BytesIO(whole)).metadata)))
    damage = data.draw(st.binary(min_size=1, max_size=16))
    with contextlib.suppress(ValueError):  # and nothing else
        read_header(io.BytesIO(whole[:at] + damage + whole[at + len(damage) :]))


@given(st.binary(max_size=200))
def test_anything_behind_the_magic_number(rest: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_header(io.BytesIO(b"GGUF" + struct.pack("<IQ", 3, 1) + rest + b"\xff" * 8))


@pytest.mark.parametrize("start", [b"", b"PK\3\4", b"GGUF\1\0\0\0", b"GGUF\0\0\0\3"])
def test_other_files(start: bytes) -> None:
    with pytest.raises(ValueError, match=r"GGUF|version|early"):
        read_header(io.BytesIO(start + bytes(100)))


@pytest.mark.parametrize("shape", [(0,), (32, 0), (1,) * 5])
def test_shapes_that_no_tensor_has(shape: tuple[int, ...]) -> None:
    tensor = describe(Tensor("t", shape, TensorType.F32, 0))
    with pytest.raises(ValueError, match="'t' has"):
        read_header(io.BytesIO(b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + tensor))


def test_an_alignment_that_cannot_be() -> None:
    name = b"general.alignment"
    value = struct.pack("<Q", len(name)) + name + struct.pack("<II", 4, 0)
    with pytest.raises(ValueError, match="alignment of 0 bytes"):
        read_header(io.BytesIO(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + value))


def test_a_row_is_a_whole_number_of_blocks() -> None:
    assert TensorType.Q4_K.row_bytes(512) == 288
    with pytest.raises(ValueError, match="no whole number of Q4_K blocks"):
        TensorType.Q4_K.row_bytes(576)
