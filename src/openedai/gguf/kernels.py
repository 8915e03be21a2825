"""The types of tensors for which llama.cpp has fast kernels, by processor.

llama.cpp rearranges weights of some types when it loads them, and multiplies several rows at once.
The others are multiplied row by row, so that each token of a batch costs nearly as much as a single
one.
"""

from __future__ import annotations

from openedai.gguf.header import TensorType

# Only the types that requantising converts from or to.
_X86 = frozenset({TensorType.Q4_0, TensorType.Q4_K, TensorType.IQ4_NL, TensorType.Q8_0})
_ARM = _X86 | {TensorType.Q5_K, TensorType.Q6_K}


def fast_types(features: frozenset[str]) -> frozenset[TensorType]:
    """The types with fast kernels on a processor with these `features`, as Linux names them.

    Empty for a processor without any, or an unknown one.
    """
    if "avx2" in features:
        return _X86
    if "asimddp" in features:  # the dot product instructions of ARM
        return _ARM
    return frozenset()
