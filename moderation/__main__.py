"""`python -m moderation MODEL`: train the heads of an embedding model, and report on them.

--cache FILE   keep the embeddings of the texts in this file, for the next time
--check        do not write the heads, but fail if they are not the packaged ones
--mistakes     also show the held-out texts that are judged wrongly
"""

from __future__ import annotations

import argparse
import os

# Before NumPy is imported: the order of sums in its threads is not always the same.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import sys
from pathlib import Path

from moderation.features import Embeddings
from moderation.report import mistakes, scores_of, tables
from moderation.styles import restyled
from moderation.texts import read_texts, without_near
from moderation.training import trained
from openedai.engines.moderation.heads import SUFFIX, read_heads, written_heads

ROOT = Path(__file__).parent.parent
TRAINED = ROOT / "src/openedai/engines/moderation/trained"
# One text in so many is trained on in another style too.
RESTYLED_EVERY = 3


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m moderation", description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--mistakes", action="store_true")
    arguments = parser.parse_args()
    held_out = read_texts("held_out")
    texts = without_near(read_texts("train"), held_out)
    texts = [*texts, *restyled(texts, every=RESTYLED_EVERY)]
    embeddings = Embeddings(arguments.model, arguments.cache)
    raw = written_heads(trained(texts, embeddings.of([item.text for item in texts])))
    file = TRAINED / (arguments.model + SUFFIX)
    if arguments.check:
        same = file.read_bytes() == raw
        print("The heads are the packaged ones." if same else "The heads are others.")
        return 0 if same else 1
    file.write_bytes(raw)
    dimensions = embeddings.of(["a"]).shape[1]
    heads = read_heads(arguments.model, dimensions)
    print(f"{len(texts)} texts, {len(raw)} bytes, thresholds {heads.thresholds}")
    print("\n".join(tables(held_out, heads, embeddings)))
    if arguments.mistakes:
        scores = scores_of([item.text for item in held_out], heads, embeddings)
        print("\n".join(mistakes(held_out, scores, heads)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
