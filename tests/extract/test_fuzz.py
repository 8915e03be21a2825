"""Broken files are read, or refused with a reason: nothing else is raised."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openedai.extract.encoding import decode
from openedai.extract.text import NotReadable
from openedai.extract.writer import clean
from tests.extract.reading import read_here
from tests.extract.samples import office, pdf, web, word

_SAMPLES: dict[str, Callable[[], bytes]] = {
    "a.docx": word.report,
    "a.pptx": office.slides,
    "a.xlsx": office.sheets,
    "a.odt": office.written,
    "a.ods": office.calculated,
    "a.epub": web.book,
    "a.pdf": pdf.report,
    "a.html": web.page,
    "a.eml": web.mail,
}
_NAMES = [*_SAMPLES, "a.txt", "a.json", "a.xml", "a"]
_CASES = 25  # of each sample


def _outcome(raw: bytes, name: str) -> None:
    try:
        found = read_here(raw, name)
    except NotReadable:
        return
    assert clean(found.text) == found.text
    starts = [section.start for section in found.sections]
    assert starts == sorted(starts)
    assert all(0 <= start <= len(found.text) for start in starts)
    found.text.encode()


def _changed(raw: bytes, random: Random) -> bytes:
    """The bytes, of which some are changed, left out, repeated or added."""
    changed = bytearray(raw)
    for _ in range(random.randint(1, 8)):
        start = random.randrange(len(changed) + 1)
        end = min(len(changed), start + random.choice((0, 1, 1, 4, 64, 1000)))
        changed[start:end] = random.choice(
            (
                b"",
                random.randbytes(max(1, end - start)),
                changed[start:end] * 3,
                b"<",
                b"&#0;",
                b"-1",
            )
        )
    return bytes(changed)


@pytest.mark.parametrize("name", _SAMPLES)
def test_changed_files(name: str) -> None:
    raw, random = _SAMPLES[name](), Random(name)
    for _ in range(_CASES):
        _outcome(_changed(raw, random), name)


@pytest.mark.parametrize("name", [name for name in _SAMPLES if name.endswith(("x", "odt", "epub"))])
def test_changed_parts_of_documents(name: str) -> None:
    random = Random(name)
    with zipfile.ZipFile(io.BytesIO(_SAMPLES[name]())) as archive:
        parts = {
            part: archive.read(part)
            for part in archive.namelist()
            if not part.endswith(("jpeg", "theme1.xml")) and "slideLayout" not in part
        }
    for _ in range(_CASES):
        part = random.choice(list(parts))
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as archive:
            for other, content in parts.items():
                archive.writestr(other, _changed(content, random) if other == part else content)
        _outcome(made.getvalue(), name)


@given(raw=st.binary(max_size=400), name=st.sampled_from(_NAMES))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_bytes_under_any_name(raw: bytes, name: str) -> None:
    _outcome(raw, name)


@given(text=st.text(alphabet="<>/!-=\"'&;#x aptdrhscib1\n\0é一", max_size=300))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_markup(text: str) -> None:
    for name in ("a.html", "a.xml", "a.eml", "a.json"):
        _outcome(text.encode(), name)


@given(
    text=st.text(
        min_size=1,
        alphabet=st.characters(
            exclude_categories=("Cs", "Cc", "Co", "Cn"), exclude_characters="\ufffd"
        ),
    )
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_unicode_is_never_guessed_to_be_something_else(text: str) -> None:
    assert decode(text.encode()) == text.removeprefix("\ufeff")
    assert decode(text.encode("utf-16")) == text
