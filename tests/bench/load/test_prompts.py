from __future__ import annotations

from bench.load.prompts import document, sentence, story


def test_the_same_seed_gives_the_same_text() -> None:
    assert document("a", 30) == document("a", 30)
    assert len(document("a", 30).split()) == 30


def test_other_seeds_differ_from_the_first_words_on() -> None:
    texts = [document(str(seed), 6) for seed in range(100)]
    assert len(set(texts)) == 100
    assert len({" ".join(story(str(seed)).split()[:3]) for seed in range(100)}) > 90


def test_sentences_have_many_lengths() -> None:
    lengths = {len(sentence(str(seed)).split()) for seed in range(300)}
    assert min(lengths) == 8
    assert max(lengths) == 40
