"""The values of saved states, transposed."""

from __future__ import annotations

import struct
from contextlib import suppress
from ctypes import POINTER, c_float, cast
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.engines.llama_cpp.native.batch import TokenBatch
from openedai.engines.llama_cpp.native.library import Library
from openedai.engines.llama_cpp.native.model import Model
from openedai.engines.llama_cpp.native.state import with_values
from openedai.engines.llama_cpp.options import LlamaOptions

Matrix = list[list[int]]  # of tokens, and their values


class Layer(NamedTuple):
    keys: bytes
    values: Matrix


def state(
    streams: list[list[Layer]], *, transposed: bool, kind: int = 1, extra: int = 0
) -> memoryview:
    parts = [struct.pack("<3I", 0xAF143CD8, 1, len(streams))]
    for layers in streams:
        cells = len(layers[0].values) if layers else 0
        parts.append(struct.pack("<I", cells))
        parts += [struct.pack("<iIi", position, 1, 1) for position in range(cells)]
        if cells:
            parts.append(struct.pack("<4I", transposed, len(layers), extra, 0))
            parts += [struct.pack("<iQ", 1, 6) + layer.keys for layer in layers]
            parts += [matrix(layer.values, transposed, kind) for layer in layers]
    return memoryview(b"".join(parts))


def matrix(values: Matrix, transposed: bool, kind: int) -> bytes:
    width = len(values[0])
    rows: Any = zip(*values, strict=True) if transposed else values
    form = ("<i2I", kind, 2, width) if transposed else ("<iQ", kind, 2 * width)
    return struct.pack(*form) + b"".join(struct.pack(f"<{len(row)}H", *row) for row in rows)


@st.composite
def streams(draw: st.DrawFn) -> list[list[Layer]]:
    found = []
    for _ in range(draw(st.integers(1, 4))):
        cells, width = draw(st.integers(0, 5)), draw(st.integers(1, 4))
        numbers = st.integers(0, 2**16 - 1)
        row = st.lists(numbers, min_size=width, max_size=width)
        layer = st.builds(
            Layer,
            st.binary(min_size=6 * cells, max_size=6 * cells),
            st.lists(row, min_size=cells, max_size=cells),
        )
        found.append(draw(st.lists(layer, min_size=1, max_size=3)) if cells else [])
    return found


@given(layers=streams(), before=st.booleans(), after=st.booleans())
def test_every_layout_becomes_every_other(
    layers: list[list[Layer]], before: bool, after: bool
) -> None:
    found = with_values(state(layers, transposed=before), transposed=after)
    assert found == state(layers, transposed=after)


LAYERS = [[Layer(b"k" * 12, [[1, 2, 3], [4, 5, 6]])], []]


@given(cut=st.integers(0, len(state(LAYERS, transposed=True)) - 1), transposed=st.booleans())
def test_a_part_of_a_state_is_none(cut: int, transposed: bool) -> None:
    with pytest.raises(ValueError, match="ends early"):
        with_values(state(LAYERS, transposed=True)[:cut], transposed=transposed)


@pytest.mark.parametrize(
    "other",
    [
        memoryview(b""),
        memoryview(state(LAYERS, transposed=False).tobytes() + b"\0"),
        state(LAYERS, transposed=False, kind=8),
        state(LAYERS, transposed=True, extra=1),
    ],
)
def test_other_states_are_refused(other: memoryview) -> None:
    with pytest.raises(ValueError, match=r"state|values"):
        with_values(other, transposed=True)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_a_state_or_refused(data: bytes, transposed: bool) -> None:
    with suppress(ValueError):
        assert len(with_values(memoryview(data), transposed=transposed)) == len(data)


@pytest.mark.real
def test_a_larger_context_goes_on_with_what_was_computed(smollm2_path: Path) -> None:
    """It is one without flash attention, after one with. So are states that were saved before."""
    model = Model(Library(), "m", smollm2_path, LlamaOptions(slots=2, context=2048), threads=1)
    try:
        ids = model.vocabulary.tokenize("Once upon a time there was a little girl who lived in a")
        compute(model, ids[:-1], 0)
        saved = model.save(1)
        expected = compute(model, ids[-1:], len(ids) - 1)
        assert model.grow(2000)
        assert model.capacity == 2048
        for state in (None, saved):
            if state is not None:
                assert model.restore(1, state)
            model.trim(1, len(ids) - 1)
            found = compute(model, ids[-1:], len(ids) - 1)
            assert found == pytest.approx(expected, abs=0.5)
    finally:
        model.close()


def compute(model: Model, ids: list[int], position: int) -> list[float]:
    """The logits after these tokens in slot 1."""
    batch = TokenBatch(model.batch)
    row = batch.add(1, ids, position, every_output=False, last_output=True)
    model.decode(batch.value)
    address = model.logits(row + len(ids) - 1)
    return cast(address, POINTER(c_float))[: model.vocabulary.size]


@pytest.mark.parametrize("transposed", [False, True])
def test_a_unified_cache_has_the_only_stream_with_tokens(transposed: bool) -> None:
    filled = [Layer(b"abcdef", [[1, 2, 3]]), Layer(b"ghijkl", [[4, 5, 6]])]
    several = state([[], filled, []], transposed=not transposed)
    found = with_values(several, transposed=transposed, unified=True)
    assert found == state([filled], transposed=transposed)
