"""The labelled texts: template files, hand-written files, and texts of packages.

A line of a text file is a slot (`$name: a | b`), a comment (`#`), the labels of the lines after it
(`@ hate`), or a template: `{a|b}` is either, `{name}` a value of a slot.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from openedai.contract.moderate import CATEGORIES

FOLDER = Path(__file__).parent / "texts"
# A text with the first label has the others too, or may have them.
IMPLIED = {
    "harassment/threatening": ("harassment", "violence"),
    "hate/threatening": ("hate", "violence"),
    "illicit/violent": ("illicit",),
    "self-harm/instructions": ("self-harm",),
    "self-harm/intent": ("self-harm",),
    "sexual/minors": ("sexual",),
    "violence/graphic": ("violence",),
}
POSSIBLE = {
    "harassment/threatening": ("hate", "violence/graphic"),
    "harassment": ("hate",),
    "hate": ("harassment",),
    "hate/threatening": ("harassment", "harassment/threatening", "illicit/violent"),
    "illicit": ("illicit/violent", "harassment"),
    "illicit/violent": ("violence", "violence/graphic", "harassment", "self-harm"),
    "self-harm": ("self-harm/intent", "self-harm/instructions", "violence"),
    "self-harm/instructions": ("illicit", "self-harm/intent", "harassment", "violence"),
    "self-harm/intent": ("self-harm/instructions", "violence"),
    "sexual": ("harassment",),
    "sexual/minors": ("illicit", "harassment"),
    "violence": (
        *("harassment", "harassment/threatening"),
        *("illicit", "illicit/violent", "violence/graphic"),
    ),
    "violence/graphic": ("harassment", "illicit"),
}
# Values of each template that are used.
PER_TEMPLATE = 8
_CHOICE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class LabelledText:
    """`labels` has a truth for each category: yes, no, or None where it is not known.

    `group` is the template that the text is from; texts of one group are alike.
    """

    text: str
    labels: Mapping[str, bool | None]
    source: str
    group: str

    @property
    def flagged(self) -> bool:
        return any(self.labels.values())


def labels_of(names: str) -> dict[str, bool | None]:
    """The truths that a list of labels states: `none`, `hate`, `illicit ?violence`."""
    labels: dict[str, bool | None] = dict.fromkeys(CATEGORIES, False)
    given = [] if names == "none" else names.split()
    stated = [name for name in given if not name.startswith("?")]
    stated += [implied for name in stated for implied in IMPLIED.get(name, ())]
    for name in stated:
        labels.update(dict.fromkeys(POSSIBLE.get(name, ())))
    labels.update(dict.fromkeys(name[1:] for name in given if name.startswith("?")))
    labels.update(dict.fromkeys(stated, True))
    return labels


def read_texts(folder: str) -> list[LabelledText]:
    """All texts of a folder of `texts`, always in the same order."""
    shared = FOLDER / "train" / "slots.txt"
    slots = _slots(shared.read_text("utf-8").splitlines())
    found: list[LabelledText] = []
    for file in sorted((FOLDER / folder).iterdir()):
        if file.suffix == ".jsonl":
            found.extend(_from_package(file))
        elif file != shared:
            found.extend(_from_templates(file, slots))
    return list({item.text: item for item in found}.values())


def _from_package(file: Path) -> Iterator[LabelledText]:
    for number, line in enumerate(file.read_text("utf-8").splitlines()):
        row = json.loads(line)
        source = f"{file.stem}/{row['source']}"
        yield LabelledText(row["text"], labels_of(row["labels"]), source, f"{source}:{number}")


def _from_templates(file: Path, slots: Mapping[str, list[str]]) -> Iterator[LabelledText]:
    lines = file.read_text("utf-8").splitlines()
    known, labels = {**slots, **_slots(lines)}, labels_of("none")
    for line in lines:
        if line.startswith("@ "):
            labels = labels_of(line[2:])
        elif line and line[0] not in "#$":
            chooser = random.Random(line)
            for text in {_filled(line, known, chooser): None for _ in range(PER_TEMPLATE)}:
                yield LabelledText(text, labels, file.stem, line)


def _slots(lines: list[str]) -> dict[str, list[str]]:
    pairs = (line[1:].split(":", 1) for line in lines if line.startswith("$"))
    return {name: [value.strip() for value in values.split("|")] for name, values in pairs}


def _filled(template: str, slots: Mapping[str, list[str]], chooser: random.Random) -> str:
    text = template
    while (found := _CHOICE.search(text)) is not None:
        values = slots.get(found[1]) or found[1].split("|")
        text = text[: found.start()] + chooser.choice(values) + text[found.end() :]
    return text[:1].upper() + text[1:] if template[:1] in "{ABCDEFGHIJKLMNOPQRSTUVWXYZ" else text


def without_near(texts: list[LabelledText], others: list[LabelledText]) -> list[LabelledText]:
    """The texts that share fewer than half of their words with each of the others."""
    theirs = [set(_words(item.text)) for item in others]
    holders: dict[str, list[int]] = {}
    for number, words in enumerate(theirs):
        for word in words:
            holders.setdefault(word, []).append(number)

    def is_near(text: str) -> bool:
        words = set(_words(text))
        shared = Counter(number for word in words for number in holders.get(word, ()))
        return any(2 * n >= len(words | theirs[number]) for number, n in shared.items())

    return [item for item in texts if not is_near(item.text)]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
