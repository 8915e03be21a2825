"""Detects the encoding of a text."""

from __future__ import annotations

import codecs
import re

_MARKS = {  # those of UTF-32 begin with those of UTF-16
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_ISO_2022 = re.compile(rb"\x1b(?:\$[@B]|\([IJ]|\$\(D)")
_CONTROLS = re.compile(rb"[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f]")
_MOST_CONTROLS = 0.01  # of the bytes of a text: logs contain colours, old mails contain form feeds
_SAMPLE = 1 << 17
# Encodings that occur in practice. They are compared only after all Unicode encodings have failed.
_CANDIDATES = [
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp874"),
    *("koi8_r", "cp932", "euc_jp", "gb18030", "big5", "cp949"),
]
_REPLACED = "\ufffd"
_FALLBACK = "cp1252"
_ENCODINGS = re.compile(r"(?:iso|cp\d|koi|mac|shift|euc|big5|gb|hz|johab|tis|hp|ptcp|utf-)")
_HANJA = re.compile("[\u4e00-\u9fff\uf900-\ufaff]")
_MOST_HANJA = 0.1  # of the characters of a Korean text that are not ASCII
_SUBSETS = ("ascii", "iso8859-1")  # the one of Windows is often called this


def decode(raw: bytes, declared: str | None = None) -> str | None:
    """The text in the bytes; None if they are not text.

    `declared` is the encoding that the file or its envelope names. It may be wrong.
    """
    if (text := decode_unicode(raw)) is not None:
        return text
    if _is_binary(raw):
        return None
    if declared is not None and (encoding := _known(declared)) is not None:
        text = _decoded(raw, encoding)
        if text is not None:
            return text
    return raw.decode(_guess(raw), "replace")


def decode_unicode(raw: bytes) -> str | None:
    """The text in the bytes if they are UTF-8, UTF-16 or UTF-32; otherwise None."""
    for mark, name in _MARKS.items():
        if raw.startswith(mark):
            text = raw.decode(name, "replace")
            return text if text.count(_REPLACED) <= _MOST_CONTROLS * len(text) else None
    if b"\0" in raw:
        return _unmarked_utf16(raw)
    if _ISO_2022.search(raw):
        return _decoded(raw, "iso2022_jp_ext")
    return _decoded(raw, "utf-8")


def _decoded(raw: bytes, encoding: str) -> str | None:
    try:
        return raw.decode(encoding)
    except (ValueError, LookupError):
        return None


def _known(declared: str) -> str | None:
    """The name of an encoding that files can have; some of Python's encodings are not of that kind,
    or slow.
    """
    try:
        name = codecs.lookup(declared.strip()).name
    except (ValueError, LookupError):
        return None
    if name in _SUBSETS:
        return "cp1252"
    return name if _ENCODINGS.match(name) else None


def _unmarked_utf16(raw: bytes) -> str | None:
    """UTF-16 without a byte order mark: spaces and line ends contain a NUL, always on the same
    side.
    """
    if len(raw) % 2:
        return None
    low, high = raw[0::2], raw[1::2]
    for nuls, others, name in ((high, low, "utf-16-le"), (low, high, "utf-16-be")):
        if 0 in nuls and 0 not in others and (text := _decoded(raw, name)) is not None:
            odd = sum(1 for char in text[:_SAMPLE] if not (char.isprintable() or char.isspace()))
            if odd <= _MOST_CONTROLS * len(text):
                return text
    return None


def _is_binary(raw: bytes) -> bool:
    sample = raw[:_SAMPLE]
    return len(_CONTROLS.findall(sample)) > _MOST_CONTROLS * len(sample)


def _guess(raw: bytes) -> str:
    """The most likely encoding of a text that is not in a Unicode encoding."""
    from charset_normalizer import from_bytes

    # A character that is cut at the end of the sample would count against the Asian encodings.
    sample = raw if len(raw) <= _SAMPLE else raw[: raw.rfind(b"\n", 0, _SAMPLE) + 1 or _SAMPLE]
    matches = list(from_bytes(sample, cp_isolation=_CANDIDATES))
    for match in matches:
        if match.encoding != "cp949" or _is_korean(str(match)):
            return match.encoding
    return matches[0].encoding if matches else _FALLBACK


def _is_korean(text: str) -> bool:
    """Whether a text is written in Hangul: Chinese read as Korean would have many Hanja."""
    foreign = sum(1 for char in text if not char.isascii())
    return len(_HANJA.findall(text)) <= _MOST_HANJA * foreign
