"""Texts in every encoding that files have."""

from __future__ import annotations

import pytest

from openedai.extract.encoding import decode, decode_unicode
from openedai.extract.text import Limits
from tests.extract.reading import LIMITS, read, refusal, text

GERMAN = "Größere Brücken müssen geprüft werden, sagte der Bürgermeister der Straßenbaubehörde.\n"
JAPANESE = "東京都の人口は約千四百万人です。お問い合わせはこちらまで。カタカナも含みます。\n"
SAMPLES = {
    "german": (GERMAN, "cp1252 utf-8 utf-8-sig utf-16 utf-16-le utf-16-be utf-32"),
    "japanese": (JAPANESE, "shift_jis cp932 euc-jp iso2022_jp utf-8 utf-16 utf-16-le utf-16-be"),
    "french": ("L’été dernier, nous avons mangé des crêpes à la plage.\n", "cp1252 utf-16"),
    "chinese": ("北京是中华人民共和国的首都，人口超过两千万。\n", "gb18030 gbk utf-16"),
    "taiwanese": ("台北是中華民國的首都，會議將於星期一舉行，請準時參加。\n", "big5 utf-16"),
    "korean": ("서울은 대한민국의 수도입니다. 회의는 월요일에 열립니다.\n", "euc-kr cp949"),
    "russian": ("Москва есть столица России. Встреча состоится в понедельник.\n", "cp1251 koi8-r"),
    "arabic": ("القاهرة هي عاصمة مصر وتقع على نهر النيل.\n", "cp1256 utf-16"),
    "greek": ("Η Αθήνα είναι η πρωτεύουσα της Ελλάδας.\n", "cp1253"),
    "hebrew": ("ירושלים היא בירת ישראל והעיר הגדולה ביותר בה.\n", "cp1255"),
    "polish": ("Łódź jest miastem w Polsce. Zażółć gęślą jaźń. Spotkanie w środę.\n", "cp1250"),
    "thai": ("กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย\n", "cp874"),
}


@pytest.mark.parametrize(
    ("sample", "encoding"),
    [(name, encoding) for name, (_, all_) in SAMPLES.items() for encoding in all_.split()],
)
def test_the_encoding_of_a_text_is_found(sample: str, encoding: str) -> None:
    expected = SAMPLES[sample][0]
    assert decode(expected.encode(encoding)) == expected


@pytest.mark.parametrize("lines", [1, 20_000])
def test_a_text_of_any_length(lines: int) -> None:
    assert decode((JAPANESE * lines).encode("shift_jis")) == JAPANESE * lines


def test_code_with_one_comment() -> None:
    code = "# Größe prüfen\ndef größe(x):\n    return x * 2  # Fläche\n"
    assert decode(code.encode("cp1252")) == code


def test_what_is_declared_goes_before_a_guess() -> None:
    short = "Müller; Köln; 12,50 €"
    assert decode(short.encode("cp1252"), "windows-1252") == short
    assert decode(short.encode("cp1252"), "ISO-8859-1") == short  # as browsers read it
    assert decode("Łódź".encode("iso8859-2"), "iso8859-2") == "Łódź"
    assert decode(JAPANESE.encode("shift_jis"), "no-such-encoding") == JAPANESE
    assert decode(GERMAN.encode("cp1252"), "utf-8") == GERMAN


@pytest.mark.parametrize("name", ["idna", "punycode", "unicode_escape", "zlib", "rot13", "", "\0"])
def test_what_is_no_encoding_of_files_is_not_used(name: str) -> None:
    assert decode(GERMAN.encode("cp1252"), name) == GERMAN


@pytest.mark.parametrize(
    "raw",
    [bytes(range(256)) * 8, b"\x7fELF\x02\x01\x01" + bytes(50), b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"],
)
def test_bytes_that_are_no_text(raw: bytes) -> None:
    assert decode_unicode(raw) is None
    assert decode(raw) is None


def test_a_file_in_another_encoding() -> None:
    assert text(GERMAN.encode("cp1252"), "brücken.txt") == GERMAN
    assert text(JAPANESE.encode("shift_jis"), "人口.md") == JAPANESE
    assert text(GERMAN.encode("utf-16"), "a.py") == GERMAN


def test_lines_end_with_line_feeds_and_what_no_database_takes_is_left_out() -> None:
    raw = b"\xef\xbb\xbfone\r\ntwo\rthree\x0cfour\0\n" + "five\ufffe\n".encode()
    assert text(raw, "a.txt") == "one\ntwo\nthree\nfour\nfive\n"


def test_an_empty_file() -> None:
    assert text(b"", "a.txt") == ""


def test_a_file_that_is_no_text() -> None:
    error = refusal(bytes(range(256)) * 20, "a.bin")
    assert error.code == "unsupported_file"
    assert "neither text nor a known document" in error.message


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_more_text_than_the_limit(encoding: str) -> None:
    limits = Limits(characters=10 * len(GERMAN))
    assert read((GERMAN * 10).encode(encoding), "a.txt", limits).text == GERMAN * 10
    for times in (11, 100):
        error = refusal((GERMAN * times).encode(encoding), "a.txt", limits)
        assert error.code == "invalid_file"
        assert "more than 860 characters" in error.message


def test_reading_in_parallel_or_again_gives_the_same() -> None:
    raw = JAPANESE.encode("euc-jp")
    assert read(raw, "a", LIMITS) == read(raw, "a", LIMITS)
