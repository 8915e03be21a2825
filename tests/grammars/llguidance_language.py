"""What llguidance makes of a grammar, with a token for each byte."""

from __future__ import annotations

import ctypes
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from openedai.engines.llama_cpp.native.grammars import Tokens
from openedai.engines.llama_cpp.native.llguidance import Matcher, Tokenizer
from openedai.grammars.lark.writer import lark_grammar

# The token 0 ends texts; the token of a byte is its value plus 1.
BYTES = Tokens([b"", *(bytes([byte]) for byte in range(256))], [0])


@cache
def library() -> ctypes.CDLL:
    spec = find_spec("xllamacpp")
    assert spec is not None
    assert spec.origin is not None
    (path,) = Path(spec.origin).parent.glob("xllamacpp*.so")
    return ctypes.CDLL(str(path))


@cache
def _tokenizer() -> Tokenizer:
    return Tokenizer(library(), BYTES.pieces, 0)


class Language:
    def __init__(self, gbnf: str) -> None:
        self._lark = lark_grammar(gbnf)

    @property
    def is_one_lexeme(self) -> bool:
        return self._lark.startswith("start: T")

    def matches(self, text: str) -> bool:
        matcher = Matcher(_tokenizer(), self._lark)
        try:
            for byte in text.encode():
                if not matcher.allows([byte + 1]):
                    return False
                matcher.consume([byte + 1])
            return matcher.complete
        finally:
            matcher.close()
