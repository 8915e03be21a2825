"""How many schemas of JSONSchemaBench are enforced, by the benchmark's own tests.

`python -m bench.schemas DATA [--count 1200] [--seed 12]`, where DATA is the folder `maskbench/data`
of the benchmark's repository. A schema is enforced if it is accepted, all of its valid values are
allowed, and none of its invalid ones is.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from pathlib import Path

from openedai.contract.generate import JsonSchema
from openedai.engines.llama_cpp.checking.checker import GrammarChecker
from openedai.engines.llama_cpp.checking.grammar import GrammarSpec
from openedai.engines.llama_cpp.native.matcher import Matcher, MatcherFailed, Tokenizer
from openedai.errors import InvalidRequest

_SETS = (
    "Github_",
    "Glaiveai2K",
    "JsonSchemaStore",
    "Kubernetes",
    "Snowplow",
    "WashingtonPost",
)
_STEP = 500  # bytes


def measure(files: list[Path]) -> Counter[str]:
    """Counts of schemas: `accepted` and `enforced`; and of tests that were judged wrongly."""
    counts: Counter[str] = Counter(schemas=len(files))
    checker = GrammarChecker()
    tokenizer = Tokenizer([*(bytes([byte]) for byte in range(256)), b""], [256])
    try:
        for path in files:
            _measure(json.loads(path.read_bytes()), checker, tokenizer, counts)
    finally:
        checker.close()
    return counts


def _measure(
    case: dict[str, object], checker: GrammarChecker, tokenizer: Tokenizer, counts: Counter[str]
) -> None:
    schema, tests = case["schema"], case.get("tests", [])
    assert isinstance(schema, dict)
    assert isinstance(tests, list)
    try:
        lark = checker.lark(GrammarSpec(constraint=JsonSchema(schema=schema)))
    except InvalidRequest:
        return
    counts["accepted"] += 1
    wrong = 0
    for test in tests:
        text = json.dumps(test["data"], ensure_ascii=False).encode("utf-8", "replace")
        if _matches(Matcher(tokenizer, lark), text) != test["valid"]:
            counts["valid refused" if test["valid"] else "invalid accepted"] += 1
            wrong += 1
    counts["enforced"] += not wrong


def _matches(matcher: Matcher, text: bytes) -> bool:
    try:
        for start in range(0, len(text), _STEP):
            part = [*text[start : start + _STEP]]
            if not matcher.allows(part):
                return False
            matcher.consume(part)
    except MatcherFailed:
        return False
    return matcher.complete


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--count", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=12)
    options = parser.parse_args()
    files = sorted(path for path in options.data.iterdir() if path.name.startswith(_SETS))
    random.seed(options.seed)
    counts = measure(random.sample(files, options.count))
    for name, count in counts.items():
        print(f"{name:16} {count:6}  {count / counts['schemas']:6.1%}")


if __name__ == "__main__":
    main()
