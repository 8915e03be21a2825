"""What llguidance makes of a grammar, with a token for each byte."""

from __future__ import annotations

from functools import cache, partial
from random import Random

from openedai.engines.llama_cpp.native.grammars import Tokens
from openedai.engines.llama_cpp.native.matcher import Matcher, Tokenizer
from openedai.grammars.lark.rules import LarkRules
from openedai.grammars.lark.writer import add_gbnf

# The token 0 ends texts; the token of a byte is its value plus 1.
_LONGEST = 3000
_END = 0.3
_CLOSING = b']}",:'
BYTES = Tokens([b"", *(bytes([byte]) for byte in range(256))], [0])


@cache
def _tokenizer() -> Tokenizer:
    return Tokenizer(BYTES.pieces, BYTES.ends)


def lark_of(gbnf: str) -> str:
    """A grammar in GBNF as one in Lark. Raises ValueError."""
    rules = LarkRules()
    return rules.text(add_gbnf(gbnf, rules))


class Language:
    """The texts of a grammar in Lark. Raises MatcherFailed."""

    def __init__(self, lark: str) -> None:
        self._matcher = partial(Matcher, _tokenizer(), lark)
        self._matcher()

    def matches(self, text: str) -> bool:
        matcher = self._matcher()
        for byte in text.encode():
            if not matcher.allows([byte + 1]):
                return False
            matcher.consume([byte + 1])
        return matcher.complete

    def sample(self, random: Random) -> str | None:
        """A text; None if it would be long."""
        matcher, found = self._matcher(), bytearray()
        while len(found) < _LONGEST:
            words = matcher.mask()
            tokens = [token for token in range(1, 257) if words[token // 32] >> token % 32 & 1]
            allowed = [token - 1 for token in tokens]
            closing = [byte for byte in allowed if byte in _CLOSING]
            if matcher.complete and (not allowed or random.random() < _END):
                return found.decode()
            byte = random.choice(closing if closing and random.random() < _END else allowed)
            matcher.consume([byte + 1])
            found.append(byte)
        return None
