"""Training files: JSON lines, checked before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from openedai.errors import InvalidRequest
from openedai.training.lines import Completion, Example, Method, read_line

MIN_EXAMPLES = 10
MAX_EXAMPLES = 50_000
MAX_LINE = 1 << 20  # bytes
_SHOWN = 5


@dataclass
class Checked:
    """The contents of a file: the number of its examples, and its first problems, by line counted
    from 1.
    """

    examples: int = 0
    completions: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)
    bad: int = 0

    def add(self, number: int, problem: str) -> None:
        self.bad += 1
        if len(self.problems) < _SHOWN:
            self.problems.append((number, problem))


def examples_of(lines: Iterable[bytes], method: Method) -> Iterator[Example]:
    """The examples of a file that was checked. Raises ValueError for a line that is not valid."""
    for line in lines:
        if line.strip():
            yield read_line(line, method)


def check_lines(lines: Iterable[bytes], method: Method) -> Checked:
    """Read every line. Blocking, for some seconds if there are many."""
    found = Checked()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        found.examples += 1
        try:
            if len(line) > MAX_LINE:
                raise ValueError(f"it has more than {MAX_LINE} bytes")
            example = read_line(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line, method)
        except ValueError as error:
            found.add(number, str(error))
            continue
        found.completions += isinstance(example, Completion)
        if 0 < found.completions < found.examples - found.bad:
            found.add(number, "chat and completion examples are mixed in one file")
    return found


def refuse_problems(checked: Checked, param: str, *, least: int = MIN_EXAMPLES) -> None:
    """Raise InvalidRequest, about the file of a parameter, if it cannot be trained on."""
    if checked.problems:
        shown = "; ".join(f"line {number}: {problem}" for number, problem in checked.problems)
        more = checked.bad - len(checked.problems)
        rest = f"; and {more} more lines" if more > 0 else ""
        problem = f"the file has lines that are not valid. {shown}{rest}"
    elif checked.examples < least:
        problem = (
            f"the file has {checked.examples} example(s), but must have at least {least} of them"
        )
    elif checked.examples > MAX_EXAMPLES:
        problem = f"the file has {checked.examples} examples, but at most {MAX_EXAMPLES} are used"
    else:
        return
    raise InvalidRequest(f"Invalid '{param}': {problem}.", code="invalid_file", param=param)
