"""What is spoken of a text: no markup and no emoji, and addresses in words."""

from __future__ import annotations

import re
import unicodedata

from openedai.errors import InvalidRequest, invalid_value

LONGEST_WORD = 60
LONGEST_NUMBER = 15
_LONGEST_PATH = 40

# Quantifiers have upper limits, so that no text takes long.
_FENCE = re.compile(r"^[ \t]*(```|~~~).*$", re.MULTILINE)
_RULE = re.compile(r"^[ \t|:=*_-]+$", re.MULTILINE)
_LINE_MARK = re.compile(r"^[ \t]*(?:#{1,6} |>+ ?|[-*+•‣▪] (?:\[[ xX]\] )?)", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*(?:\s[^()]*)?\)")
_ROW_END = re.compile(r"^[ \t]{0,8}\||\|[ \t]{0,8}$", re.MULTILINE)
_CELL = re.compile(r"[ \t]{0,8}\|[ \t]{0,8}")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_EMPHASIS = re.compile(r"(\*\*|__|~~|`{1,2})(?=\S)(.{1,300}?)(?<=\S)\1")
_ITALICS = re.compile(r"(?<![\w*])([*_])(?=\S)([^*_\n]{1,300}?)(?<=\S)\1(?![\w*])")
_URL = re.compile(r"(?:\bhttps?://|\bwww\.)[^\s<>\"“”]+", re.IGNORECASE)
_EMAIL = re.compile(r"\b([\w.+-]{1,64})@([\w-]{1,63}(?:\.[\w-]{1,63}){1,4})\b")
_DOMAIN = re.compile(
    r"\b[\w-]{1,63}(?:\.[\w-]{1,63}){0,3}\.(?:com|org|net|edu|gov|io|dev|ai|app|co\.uk)\b"
)
_NUMBER = re.compile(rf"\d{{{LONGEST_NUMBER + 1},}}|\d[\d,]{{{LONGEST_NUMBER + 6},}}")
_WORD = re.compile(rf"\S{{{LONGEST_WORD}}}(?=\S)")
_REPEATED = re.compile(r"([^\w\s])\1{3,}")
_LINE_END = re.compile(r" ?\n ?")
_SPACES = re.compile(r"[^\S\n]+")
_KEPT_SYMBOLS = frozenset("°©®™§№")
_POWERS = {"²": " squared", "³": " cubed"}


def spoken_text(text: str, *, latin_only: bool) -> str:
    """The text as it is read aloud. Lines and paragraphs stay.

    With `latin_only` letters of other scripts are left out. Raises InvalidRequest for the parameter
    `input` if nothing remains, or if most letters are of other scripts.
    """
    text = _words(_without_markup(text))
    text = "".join(map(_character, text))
    if latin_only:
        text = _latin(text)
    text = _NUMBER.sub(lambda digits: " ".join(digits[0].replace(",", "")), text)
    text = _WORD.sub(lambda word: f"{word[0]} ", text)
    text = _REPEATED.sub(r"\1", text)
    text = _LINE_END.sub("\n", _SPACES.sub(" ", text)).strip()
    if not any(map(str.isalnum, text)):
        raise nothing_to_speak()
    return text


def nothing_to_speak() -> InvalidRequest:
    return invalid_value("input", "there is nothing in it that can be spoken")


def _without_markup(text: str) -> str:
    """The text without the marks of Markdown and HTML."""
    text = _FENCE.sub("", text)
    text = _RULE.sub("", text)
    text = _LINE_MARK.sub("", text)
    text = _LINK.sub(r"\1", text)
    text = _TAG.sub(" ", text)
    text = _EMPHASIS.sub(r"\2", text)
    text = _ITALICS.sub(r"\2", text)
    return _CELL.sub(", ", _ROW_END.sub("", text)) if text.count("|") > 1 else text


def _words(text: str) -> str:
    """The text with addresses in words."""
    text = _EMAIL.sub(lambda mail: f"{_dotted(mail[1])} at {_dotted(mail[2])}", text)
    text = _URL.sub(lambda url: _spoken_url(url[0]), text)
    return _DOMAIN.sub(lambda domain: _dotted(domain[0]), text)


def _spoken_url(url: str) -> str:
    """The host and a short path, `example dot com slash docs`, followed by the punctuation after
    the URL.
    """
    address = url.rstrip(".,;:!?)]}'’")
    rest = re.sub(r"^(https?://)?(www\.)?", "", address, flags=re.IGNORECASE)
    place = re.split(r"[?#]", rest)[0]
    host, _, path = place.partition("/")
    spoken = _dotted(host.rpartition("@")[2].replace(":", " port "))
    if 0 < len(path) <= _LONGEST_PATH:
        parts = [re.sub(r"[_%+~-]+", " ", part) for part in path.split("/") if part]
        spoken = " slash ".join([spoken, *map(_dotted, parts)])
    return spoken + url[len(address) :]


def _dotted(name: str) -> str:
    return name.strip(".").replace(".", " dot ").replace("_", " underscore ")


def _character(char: str) -> str:
    """A character as it is spoken; emoji and invisible characters are not."""
    if char in "\n ":
        return char
    if char in _POWERS:
        return _POWERS[char]
    category = unicodedata.category(char)
    if category in ("Cc", "Zs", "Zl", "Zp"):
        return " "
    if category[0] == "C" or (category == "Sk" and char not in "^`"):
        return ""
    if category in ("So", "Me") and char not in _KEPT_SYMBOLS:
        return " "
    if 0xFE00 <= ord(char) <= 0xFE0F:  # variation selectors of emoji
        return ""
    if category == "Nd":
        return str(unicodedata.digit(char))
    plain = unicodedata.normalize("NFKC", char).replace("⁄", "/")
    return f" {plain}" if "/" in plain and char != plain else plain  # 1½ is 1 1/2


def _latin(text: str) -> str:
    """The text with Latin letters only. Raises InvalidRequest if they are not most of it."""
    text = unicodedata.normalize("NFC", text)
    folded = "".join(char if ord(char) < 0x180 else _folded(char) for char in text)
    kept = sum(map(str.isalnum, folded))
    if sum(map(str.isalnum, text)) > 2 * kept:
        raise invalid_value("input", "it is mostly in a script that the model's voices do not read")
    return folded


def _folded(char: str) -> str:
    """A character beyond Latin Extended-A: a Latin letter without its accents, or punctuation."""
    plain = unicodedata.normalize("NFKD", char)
    kept = "".join(one for one in plain if not unicodedata.combining(one))
    is_letter = char.isalpha() or unicodedata.combining(char)
    return kept if kept.isascii() or not is_letter else ""
