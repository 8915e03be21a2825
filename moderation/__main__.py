"""`python -m moderation MODEL`: train the classifier on an embedding model, and report on it.

Training needs torch, and takes some ten minutes on one core.

--check        do not write the classifier, but fail if it is not the packaged one
--report       do not train, only report on the packaged one
--mistakes     also show the held-out texts that are judged wrongly
"""

from __future__ import annotations

import argparse
import os

# Before NumPy is imported: the order of sums in its threads is not always the same.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import sys
from functools import partial
from pathlib import Path

from moderation.report import mistakes, tables
from moderation.scores import model_folder, scores_of
from moderation.styles import restyled
from moderation.texts import LabelledText, read_texts, without_near
from openedai.engines.moderation.classifier import SUFFIX, read_classifier, written_classifier

ROOT = Path(__file__).parent.parent
TRAINED = ROOT / "src/openedai/engines/moderation/trained"
# One text in so many is trained on in another style too.
RESTYLED_EVERY = 3


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m moderation", description=__doc__)
    parser.add_argument("model")
    for name in ("check", "report", "mistakes"):
        parser.add_argument(f"--{name}", action="store_true")
    arguments = parser.parse_args()
    held_out = read_texts("held_out")
    file = TRAINED / (arguments.model + SUFFIX)
    if not arguments.report:
        raw = _trained(arguments.model, held_out)
        if arguments.check:
            same = file.read_bytes() == raw
            print("It is the packaged one." if same else "It is not the packaged one.")
            return 0 if same else 1
        file.write_bytes(raw)
    _report(arguments.model, held_out, arguments.mistakes)
    return 0


def training_texts(held_out: list[LabelledText]) -> list[LabelledText]:
    """All that is trained on or calibrated with."""
    texts = without_near(read_texts("train"), held_out)
    return [*texts, *restyled(texts, every=RESTYLED_EVERY)]


def _trained(model: str, held_out: list[LabelledText]) -> bytes:
    from moderation.training import trained

    texts = training_texts(held_out)
    print(f"{len(texts)} texts")
    return written_classifier(trained(texts, model_folder(model)))


def _report(model: str, held_out: list[LabelledText], with_mistakes: bool) -> None:
    thresholds = read_classifier(model).thresholds
    score = partial(scores_of, model=model)
    print(f"thresholds {thresholds}")
    print("\n".join(tables(held_out, score, thresholds)))
    if with_mistakes:
        scores = score([item.text for item in held_out])
        print("\n".join(mistakes(held_out, scores, thresholds)))


if __name__ == "__main__":
    sys.exit(main())
