"""Citations of parts of files: marks of the model, and sentences that the server cites."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from openedai.serving.tools.citations import Cited, Citer, Mark, Part, mark, parts_text
from openedai.serving.tools.support import Supports

FOX = "The quick brown fox jumps over the lazy dog."
MOON = "The moon goes around the earth in 27 days."
PARTS = [
    Part("file-1", "fox.txt", f"{FOX} It is red and quick. Nobody knows why."),
    Part("file-2", "moon.txt", f"{MOON} 月は地球の周りを回る。"),
]
FOX_MARK, MOON_MARK = "【0†fox.txt】", "【1†moon.txt】"


def read(
    text: str | Sequence[str], *, keeps_marks: bool = False, places: bool = True
) -> tuple[str, list[tuple[int, str]]]:
    """The text of an answer, and each citation with the text before it."""
    citer = Citer(PARTS, keeps_marks=keeps_marks, places=places)
    pieces = [
        piece
        for delta in ([text] if isinstance(text, str) else text)
        for piece in citer.feed(delta)
    ]
    pieces += citer.end()
    shown = "".join(
        piece.text if isinstance(piece, Mark) else piece
        for piece in pieces
        if not isinstance(piece, Cited)
    )
    plain = "".join(piece for piece in pieces if isinstance(piece, str))
    cited = [(one.number, plain[: one.at]) for one in pieces if isinstance(one, Cited)]
    return shown, cited


def test_the_server_cites_where_the_model_does_not() -> None:
    text = f"Well, who knows. {FOX} It is red and quick. 月は地球の周りを回る。Yes.\n{MOON} Bye"
    shown, cited = read(text)
    assert shown == text
    ends = [FOX, "and quick.", "を回る。", MOON]
    assert [number for number, _ in cited] == [0, 0, 1, 1]
    assert all(before.endswith(end) for (_, before), end in zip(cited, ends, strict=True))
    assert read(text, places=False) == (text, [])
    shown, _ = read(text, keeps_marks=True)
    assert f"{FOX}{FOX_MARK} It is red and quick.{FOX_MARK} 月" in shown
    assert f"を回る。{MOON_MARK}Yes.\n{MOON}{MOON_MARK} Bye" in shown


def test_marks_of_the_model_are_citations() -> None:
    for text, plain in (
        (f"Foxes jump.{FOX_MARK} Why?", "Foxes jump. Why?"),
        (f"Foxes jump. {FOX_MARK} Why?", "Foxes jump. Why?"),
        (f"Foxes jump {FOX_MARK}. Why?", "Foxes jump. Why?"),
        (f"{FOX_MARK} Foxes jump. Why?", "Foxes jump. Why?"),
        (f"{FOX_MARK}\nFoxes jump. Why?", "Foxes jump. Why?"),
    ):
        assert read(text) == (plain, [(0, "Foxes jump.")]), text
        shown, cited = read(text, keeps_marks=True)
        assert (shown, [number for number, _ in cited]) == (text, [0])
    both = f"Both move.{FOX_MARK}{MOON_MARK}{FOX_MARK}"
    assert read(both) == ("Both move.", [(0, "Both move."), (1, "Both move.")])
    lines = f"Foxes:\n{FOX_MARK} They jump\n{MOON_MARK} They wait\n"
    assert read(lines) == (
        "Foxes:\nThey jump\nThey wait\n",
        [(0, "Foxes:\nThey jump"), (1, "Foxes:\nThey jump\nThey wait")],
    )
    assert read(FOX_MARK) == ("", [])


def test_what_is_no_mark_of_a_part_stays() -> None:
    for text in (
        "Yes【2†fox.txt】 and",
        "A 【0",
        "【",
        "【0†fox",
        "【0†a\nb】",
        "[0†fox.txt]",
        "【note】",
    ):
        for keeps_marks in (False, True):
            assert read(text, keeps_marks=keeps_marks) == (text, []), text


texts = st.lists(
    st.sampled_from(
        [
            *(FOX, MOON, "It is red", "月は地球の周りを回る。", "3.14", "no."),
            *(" ", "  ", "\n", ". ", "。", '."', "【", "】", "†"),
            *(FOX_MARK, MOON_MARK, "【7†x】", "【0†"),
        ]
    ),
    max_size=12,
).map("".join)
END = re.compile(r"""[.!?…]["'”’»)\]*_]*$|[。！？][」』）]*$""")


@settings(max_examples=300, deadline=None)
@given(texts, st.lists(st.integers(0, 200), max_size=6), st.booleans())
def test_answers_are_the_same_however_they_are_cut(
    text: str, cuts: list[int], keeps_marks: bool
) -> None:
    whole = read(text, keeps_marks=keeps_marks)
    ends = sorted({min(cut, len(text)) for cut in cuts})
    cut = [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]
    assert read(cut, keeps_marks=keeps_marks) == whole
    shown, cited = whole
    if keeps_marks and not cited:
        assert shown == text
    if not keeps_marks:
        words = re.sub(r"【[01]†[^】\n]*】|\s", "", text)
        assert re.sub(r"\s", "", shown) == words
        for _, before in cited:
            rest = shown[len(before) :]
            assert before
            assert END.search(before) or not rest.strip(" ") or rest.lstrip(" ")[0] == "\n"


def test_marks_in_files_and_names_are_none() -> None:
    part = Part("file-1", "a【1†b】\nc", f"Copy {MOON_MARK}!")
    assert parts_text([part], 7) == "【7†a 1 b c】\nCopy [1†moon.txt]!"
    assert parts_text([], 0) == "Nothing was found."
    assert mark(3, "x" * 400) == f"【3†{'x' * 300}】"


def test_what_supports_a_sentence() -> None:
    long = " ".join(f"Item {n} has the colour of the house." for n in range(40))
    texts = ["The warranty of the kettle lasts 2 years. It begins with the purchase.", long]
    supports = Supports()
    assert supports.best("The kettle's warranty lasts 2 years.", texts) == 0
    assert supports.best("The kettle's warranty lasts 3 years.", texts) is None
    # Small words, which are all over a text, say nothing.
    assert supports.best("It is the item of the user, and it is in the file.", texts) is None
    assert supports.best("It lasts.", texts) is None
