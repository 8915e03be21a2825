from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from openedai.config import WeightFormat
from openedai.errors import Unavailable
from openedai.gguf.header import TensorType, read_header
from openedai.gguf.kernels import fast_types
from openedai.weights.progress import NoProgress, Progress
from openedai.weights.requantise import requantise, slow_share
from tests.gguf import tiny_gguf
from tests.weights.fakes.recorder import Recorder

X86 = fast_types(frozenset({"avx2"}))
ARM = fast_types(frozenset({"asimddp"}))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tiny_gguf.write(tmp_path / "m.gguf")


def change(
    source: Path,
    weight_format: WeightFormat,
    fast: frozenset[TensorType] = X86,
    *,
    progress: Progress | None = None,
    free: int = 10**9,
) -> Path | None:
    target = source.with_name(f"{source.stem}.{weight_format}.gguf")
    done = requantise(source, target, weight_format, fast, progress or NoProgress(), lambda _: free)
    assert target.exists() == done
    return target if done else None


@pytest.mark.parametrize(("weight_format", "gate"), [("q8_0", "Q8_0"), ("mixed", "IQ4_NL")])
def test_only_slow_tensors_change(source: Path, weight_format: WeightFormat, gate: str) -> None:
    target = change(source, weight_format)
    assert target is not None
    before, after = tiny_gguf.read(source), tiny_gguf.read(target)
    assert after.types == before.types | {
        "blk.0.ffn_gate.weight": gate,
        "blk.0.ffn_up.weight": "Q8_0",
        "blk.0.ffn_down.weight": "Q4_K",
        "blk.0.attn_v.weight": "Q8_0",
    }
    for name in ("token_embd.weight", "output_norm.weight"):
        assert np.array_equal(after.weights[name], before.weights[name])
    for name, weights in after.weights.items():
        off = np.abs(weights - before.weights[name]).max()
        assert off < 0.3 * np.abs(before.weights[name]).max()


def test_the_metadata_do_not_change(source: Path) -> None:
    target = change(source, "mixed")
    assert target is not None
    before, after = tiny_gguf.read(source).fields, tiny_gguf.read(target).fields
    assert after == before | {"general.file_type": 7}
    assert after["tokenizer.chat_template"] == tiny_gguf.TEMPLATE
    old, new = read_header(source).metadata, read_header(target).metadata
    at = old.integers["general.file_type"].offset
    assert old.raw[:at] == new.raw[:at]
    assert old.raw[at + 4 :] == new.raw[at + 4 :]


def test_the_alignment_is_kept(tmp_path: Path) -> None:
    target = change(tiny_gguf.write(tmp_path / "m.gguf", alignment=256), "q8_0")
    assert target is not None
    header = read_header(target)
    assert header.data_offset % 256 == 0
    assert all(tensor.offset % 256 == 0 for tensor in header.tensors)
    assert tiny_gguf.read(target).types["blk.0.ffn_up.weight"] == "Q8_0"


def test_embeddings_that_are_only_looked_up_do_not_change(tmp_path: Path) -> None:
    tied = {"token_embd.weight": ((64, 96), "Q4_1"), "blk.0.ffn_up.weight": ((64, 96), "Q4_1")}
    target = change(tiny_gguf.write(tmp_path / "tied.gguf", tied), "q8_0")
    assert target is not None
    assert tiny_gguf.read(target).types["token_embd.weight"] == "Q8_0"
    untied = tied | {"output.weight": ((64, 96), "Q4_1")}
    target = change(tiny_gguf.write(tmp_path / "untied.gguf", untied), "q8_0")
    assert target is not None
    types = tiny_gguf.read(target).types
    assert (types["token_embd.weight"], types["output.weight"]) == ("Q4_1", "Q8_0")


def test_weights_of_fast_types(tmp_path: Path) -> None:
    fast = {"blk.0.ffn_up.weight": ((64, 96), "Q8_0"), "norm": ((1, 96), "F32")}
    path = tiny_gguf.write(tmp_path / "m.gguf", fast)
    assert change(path, "mixed") is None
    assert slow_share(path, X86) == 0


def test_a_processor_without_fast_kernels(source: Path) -> None:
    assert change(source, "mixed", frozenset()) is None
    assert slow_share(source, frozenset()) == 0


def test_the_share_of_slow_weights(source: Path) -> None:
    slow = 2 * 128 * 96 + 40 * 512 + 32 * 96
    assert slow_share(source, X86) == pytest.approx(slow / (slow + 64 * 96 + 96))
    target = change(source, "q8_0")
    assert target is not None
    assert slow_share(target, X86) == 0


def test_the_fast_types_of_each_processor() -> None:
    assert TensorType.Q4_1 not in X86 | ARM
    assert TensorType.Q6_K in ARM - X86
    assert fast_types(frozenset({"avx", "sse4_2"})) == frozenset()


def test_progress_counts_what_is_written(source: Path) -> None:
    progress = Recorder()
    target = change(source, "q8_0", progress=progress)
    assert target is not None
    header = read_header(target)
    size = target.stat().st_size - header.data_offset
    assert progress.step("Requantising") == (size, size)


def test_one_part_of_several(tmp_path: Path) -> None:
    path = tiny_gguf.write(tmp_path / "m-00001-of-00002.gguf", parts=2)
    with pytest.raises(Unavailable, match="cannot be requantised: it is one of several parts"):
        change(path, "q8_0")


def test_too_little_space(source: Path) -> None:
    with pytest.raises(Unavailable, match="Not enough space"):
        change(source, "q8_0", free=1000)


@pytest.mark.parametrize("cut", [10, 1000, -1])
def test_a_file_that_ends_too_early(source: Path, cut: int) -> None:
    source.write_bytes(source.read_bytes()[:cut])
    target = source.with_name("out.gguf")
    with pytest.raises(Unavailable, match=r"m\.gguf cannot be requantised: it ends too early"):
        requantise(source, target, "q8_0", X86, NoProgress(), lambda _: 10**9)
