"""Random grammars, most of them recursive and ambiguous, and texts that are nearly in them."""

from __future__ import annotations

from contextlib import suppress
from random import Random

from tests.grammars.gbnf_language import Grammar

ALPHABET = "abcé"
_CLASSES = ("[ab]", "[a-c]", "[^a]", "[bé]", "[^ab]")
# What a recursive rule begins with, so that it is not left recursive.
_OPENINGS = ('"a"', "[ab]", '"é"', '"ab"', '"a"+', '("b" | "ba")')
_CLOSINGS = ("", '"b"', "[ab]", '"c"?')
_TIMES = ("*", "+", "?", "{2}", "{1,3}", "{2,}")


def random_grammar(random: Random) -> str:
    """A grammar, which may have errors such as left recursion."""
    names = ["root", *(f"rule-{number}" for number in range(random.randint(1, 4)))]
    return "".join(
        f"{name} ::= {_body(random, names, 2)}"
        + (f" | {_body(random, names, 2)}" if random.random() < 0.7 else "")
        + "\n"
        for name in names
    )


def texts_near(grammar: Grammar, random: Random) -> set[str]:
    """Texts of the grammar, and texts that differ from them in a character."""
    texts = {"".join(random.choices(ALPHABET, k=random.randrange(6))) for _ in range(6)}
    for _ in range(8):
        text = ""
        with suppress(RecursionError):  # of a rule that never ends
            text = grammar.sample(random, 8)
        if len(text) < 16:
            at = random.randrange(len(text) + 1)
            char = random.choice(ALPHABET)
            texts |= {text, text[:at] + text[at + 1 :], text[:at] + char + text[at:]}
            texts.add(text[:at] + char + text[at + 1 :])
    return texts


def _body(random: Random, names: list[str], depth: int) -> str:
    choice = random.random()
    if depth == 0 or choice < 0.3:
        return _atom(random, names)
    parts = [_body(random, names, depth - 1) for _ in range(random.randint(1, 3))]
    if choice < 0.6:
        return " ".join(parts)
    if choice < 0.8:
        return f"({' | '.join(parts)})"
    return f"({parts[0]}){random.choice(_TIMES)}"


def _atom(random: Random, names: list[str]) -> str:
    choice = random.random()
    if choice < 0.35:
        return f'"{"".join(random.choices(ALPHABET, k=random.choice((0, 1, 1, 2, 2, 3))))}"'
    if choice < 0.6:
        return random.choice(_CLASSES)
    name = random.choice(names)
    if choice < 0.7:
        return name
    end = random.choice(('"a"', '""', '"c"'))
    return f"({random.choice(_OPENINGS)} {name} {random.choice(_CLOSINGS)} | {end})"
