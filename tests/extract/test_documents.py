"""The text of files that people have, as the usual programs write them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.extract.reading import read, read_here
from tests.extract.samples import office, pdf, web, word

# The samples, and all of their text.
WHOLE: dict[str, tuple[Callable[[], bytes], str]] = {
    "report.docx": (
        word.report,
        """Straßenbauamt Köln

Prüfbericht der Brücken

Übersicht

Die Brücke über die Große Straße wurde geprüft[1].
[1] § 12 Abs. 3 der Straßenverordnung.
- Geländer streichen
- Fugen ausbessern

Kosten

Posten | Menge | Preis
Farbe | 12 l | 340,50 €
Gerüst |  | 1.200 €
Zeile eins
Zeile zwei\tmit Tabulator
Vertraulich
""",
    ),
    "revised.docx": (word.revised, "The rent is 900 euros\nBeside it\nIn a box\n"),
    "arabic.docx": (
        word.arabic,
        "تقرير المياه\n\nيقع مكتب المياه في شارع النيل بالقاهرة.\nالمدينة | القاهرة\n",
    ),
    "sales.pptx": (
        office.slides,
        """売上報告
第一四半期は増収
第二四半期は横ばい
質問の時間を取る

内訳
商品 | 金額
りんご | ¥1,200
まとめ
""",
    ),
    "orders.xlsx": (
        office.sheets,
        """Bestellungen
Kunde | Datum | Betrag | Rabatt | Bezahlt
Müller & Söhne | 2026-03-14 | 1234.5 | 12.5% | TRUE
Łukasz | 2026-03-15 09:30 | 17 |  | FALSE
0.3
Summe

Öffnungszeiten
Montag | 08:00 | 17:45
""",
    ),
    "excel.xlsx": (
        office.excel,
        "名簿\n東京 |  | very bold | 1904-01-02\n東京! | #N/A |  | 0.001\n",
    ),
    "minutes.odt": (
        office.written,
        """Réunion du comité

Le budget est approuvé[1] par  tous.
[1] Vote à l’unanimité.
- Café
- Thé
Poste | Coût
Salle | 120 €
Ligne une
ligne deux
""",
    ),
    "store.ods": (office.calculated, "Lager\nTeil | Anzahl\nSchraube | 40\nx | x | x\n"),
    "report.pdf": (
        pdf.report,
        """Jahresbericht für Größenmaße
Die Prüfung ergab keine Mängel. Übrig blieben 12 € Überschuss.
Stadt Einwohner
München 1.512.000
Köln 1.084.000

Zweite Seite: Fußnoten und Anhänge.""",
    ),
    "japanese.pdf": (pdf.japanese, "東京都の人口は約千四百万人です。\n会議は月曜日に行います。"),
    "chinese.pdf": (pdf.chinese, "北京是中华人民共和国的首都。"),
    "cyrillic.pdf": (pdf.cyrillic, "Москва — столица России.\nΗ Αθήνα είναι πρωτεύουσα."),
    "protected.pdf": (pdf.protected, "Readable by everybody"),
    "timetable.html": (
        web.page,
        """Fahrplan & Preise
Start Über uns

Linie 7 nach Köln

Der Bus fährt jede Stunde.
Sonntags nie.
- Erwachsene: 3\N{NO-BREAK SPACE}€
- Kinder: frei
Zeiten
Ort | Ab
Süd | 8:05
a  b
  c
Ein Bus
""",
    ),
    "novel.epub": (web.book, "第一章\n\n駅に着いたのは夜だった。\n\n第二章\n\n雪が降り始めた。\n"),
    "bridges.eml": (
        web.mail,
        """From: Jürgen Groß <juergen@example.org>
To: ann@example.org
Date: Mon, 16 Mar 2026 09:30:00 +0100
Subject: Prüfung der Brücken – Köln

Liebe Ann,

anbei die Prüfung. Sie kostet 340,50 €.

Grüße, Jürgen

Attachment: brücken.csv
Ort;Länge
Köln;120 m

Attachment: plan.pdf

This is page 1.

Attachment: photo.png
(The file is neither text nor a known document.)

""",
    ),
    "forwarded.eml": (
        web.forwarded,
        """From: taro@example.jp
Subject: 転送: 注文

確認をお願いします。

From: shop@example.com
Subject: Your order

Hello Ann
Your order has been sent.
It arrives on Monday.
Shoes | 2 | $80.00
Total | | $80.00

""",
    ),
}
SECTIONS = {
    "report.docx": ["Prüfbericht der Brücken", "Übersicht", "Kosten"],
    "sales.pptx": ["Slide 1", "Slide 2"],
    "orders.xlsx": ["Bestellungen", "Öffnungszeiten"],
    "report.pdf": ["Page 1", "Page 2"],
    "minutes.odt": ["Réunion du comité"],
    "timetable.html": ["Linie 7 nach Köln"],
    "novel.epub": ["第一章", "第二章"],
    "bridges.eml": ["brücken.csv", "plan.pdf", "Page 1", "photo.png"],
}


@pytest.mark.parametrize("name", WHOLE)
def test_all_text_of_a_document_is_read_in_its_order(name: str) -> None:
    make, expected = WHOLE[name]
    found = read_here(make(), name)
    assert found.text == expected
    if name in SECTIONS:
        assert [section.name for section in found.sections] == SECTIONS[name]
    if name.endswith(("docx", "odt", "html", "epub", "xlsx")):
        for section in found.sections:
            assert found.text[section.start :].startswith(f"{section.name}\n")


@pytest.mark.parametrize("name", ["report.docx", "report.pdf"])
def test_the_process_reads_the_same(name: str) -> None:
    make, _ = WHOLE[name]
    raw = make()
    assert read(raw, name) == read_here(raw, name)


def test_the_columns_of_a_page_are_read_one_after_the_other() -> None:
    words = read_here(pdf.columns(), "columns.pdf").text.split()
    assert " ".join(words) == " ".join((pdf.LEFT * 10 + pdf.RIGHT * 5).split())


def test_pages_begin_where_their_sections_say() -> None:
    found = read_here(pdf.of_pages(30), "a.pdf")
    assert [section.name for section in found.sections] == [f"Page {n}" for n in range(1, 31)]
    for number, section in enumerate(found.sections, 1):
        assert found.text[section.start :].startswith(f"This is page {number}.")


@pytest.mark.parametrize("encoding", ["utf-8", "windows-1252", "utf-16", "iso-8859-15"])
def test_pages_say_their_encoding(encoding: str) -> None:
    assert read_here(web.page(encoding), "a.html").text == WHOLE["timetable.html"][1]


@pytest.mark.parametrize("name", ["a.html", "a.HTM", "page", "page.php.txt"])
def test_a_page_is_known_by_its_name_or_its_beginning(name: str) -> None:
    assert read_here(web.page(), name).text.startswith("Fahrplan & Preise\nStart")


@pytest.mark.parametrize("name", ["report.docx", "sales.pptx", "novel.epub", "report.pdf"])
def test_a_document_is_known_without_its_name(name: str) -> None:
    make, expected = WHOLE[name]
    assert read_here(make(), "file").text == expected


def test_xml_has_a_line_for_each_element() -> None:
    raw = """<?xml version="1.0" encoding="Shift_JIS"?>
<!DOCTYPE catalog SYSTEM "http://localhost:1/catalog.dtd">
<c:catalog xmlns:c="urn:c"><book id="b1" lang="ja"><title>雪国</title>
<price currency="JPY">693</price><empty/><note>A <b>bold</b>
 word &amp; &#x4e00;</note></book><![CDATA[5 < 6]]></c:catalog>"""
    assert read_here(raw.encode("shift_jis"), "a.xml").text == (
        "book id=b1 lang=ja\ntitle: 雪国\nprice currency=JPY: 693\nnote: A bold word & 一\n5 < 6\n"
    )


def test_json_has_letters_instead_of_their_numbers() -> None:
    raw = rb'{"name": "M\u00fcller \ud83d\ude00 \u6771\u4eac", "path": "C:\\users", "q": "\u0022"}'
    expected = '{"name": "Müller 😀 東京", "path": "C:\\\\users", "q": "\\u0022"}'
    assert read_here(raw, "a.json").text == expected
    assert read_here(raw, "a.txt").text == raw.decode()


@pytest.mark.parametrize("name", ["a.md", "a.csv", "a.tsv", "a.py", "a.tex", "Makefile", "a"])
def test_what_is_text_stays_as_it_is(name: str) -> None:
    raw = "# Überschrift\n\n| a | b |\n|---|---|\n1;2,5\t<b>x</b>\n"
    assert read_here(raw.encode(), name).text == raw
