"""Turns English texts into phonemes, in the alphabet that the voices of hibari and Kokoro were
trained on.

It is done by the hibari-tts package, which needs no other program.
"""

from __future__ import annotations

import json
import logging
import re
from importlib import resources
from typing import Any

log = logging.getLogger("openedai.speech")

_PLAIN = re.compile(r"[^A-Za-z0-9',.!? ]+")


class EnglishPhonemes:
    """Blocking, and safe to use from several threads at once."""

    def __init__(self, *, british: bool = False) -> None:
        import hibari
        from hibari.g2p import G2P

        self._convert: Any = G2P(british=british)
        self._ids: dict[str, int] = json.loads(
            (resources.files(hibari) / "assets" / "vocab.json").read_text("utf-8")
        )

    def phonemes(self, text: str) -> str:
        """The phonemes of a sentence; empty if it has no sounds.

        If the library cannot read a sentence, it is read without its numbers and symbols.
        """
        try:
            return str(self._convert(text))
        except Exception as error:  # a text may lead to any error in it
            log.warning("a sentence was simplified: %r", error)
        letters = re.sub(r"\d", " ", _PLAIN.sub(" ", text))
        return str(self._convert(letters, normalize_text=False))

    def ids(self, text: str) -> list[int]:
        """The ids of a sentence's phonemes, without those that surround a sentence."""
        return [self._ids[one] for one in self.phonemes(text) if one in self._ids]
