"""Prompts that no server has seen before, but the same ones for every system of a round."""

from __future__ import annotations

from random import Random

_WORDS = "river stone garden letter market winter engine island silver bridge captain forest"


def document(seed: str, words: int) -> str:
    """English words in random order, in sentences of twelve."""
    random = Random(seed)
    choices = _WORDS.split()
    chosen = [random.choice(choices) for _ in range(words)]
    lines = (chosen[start : start + 12] for start in range(0, words, 12))
    return " ".join(" ".join(line).capitalize() + "." for line in lines)


def story(seed: str) -> str:
    """A short prompt with a long answer."""
    return f"{document(seed, 6)} Write a very long story about it, with many chapters."


def sentence(seed: str) -> str:
    """A sentence to embed, of 8 to 40 words."""
    return document(seed, Random(seed).randint(8, 40))
