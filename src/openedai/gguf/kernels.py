"""Which types of tensors this processor computes fast with, in llama.cpp.

llama.cpp lays weights of some types out anew when it loads them, and multiplies several rows at
once. The others are multiplied row by row, so that each of several tokens costs nearly as much as
a single one.
"""

from __future__ import annotations

from openedai.gguf.header import TensorType

# What the requantising may choose; F16 and others that are no blocks of few bits are left alone.
_X86 = frozenset({TensorType.Q4_0, TensorType.Q4_K, TensorType.IQ4_NL, TensorType.Q8_0})
_ARM = _X86 | {TensorType.Q5_K, TensorType.Q6_K}


def fast_types(features: frozenset[str]) -> frozenset[TensorType]:
    """The types with fast kernels on a processor with these `features`, as Linux names them.

    None on a processor that has none, or that is not known.
    """
    if "avx2" in features:
        return _X86
    if "asimddp" in features:  # the dot product instructions of ARM
        return _ARM
    return frozenset()
