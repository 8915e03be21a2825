"""`code_interpreter`, for responses and for assistants: what models are told, and finding where a
text names files that code has made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from openedai.contract.chat import Tool

CODE_INTERPRETER = Tool(
    name="code_interpreter",
    description=(
        "Runs Python code. Variables and files in /mnt/data stay until the next call. There is no "
        "network. Name a file that you make for the user in a link: [name](sandbox:/mnt/data/name)."
    ),
    parameters={
        "type": "object",
        "properties": {
            "code": {
                "type": "string",
                "description": "The Python code. The value of a last line that is an expression "
                "shows.",
            }
        },
        "required": ["code"],
        "additionalProperties": False,
    },
)
NO_CODE = "The argument 'code' is missing, or is not a text."

# A file's path, as models write it in links, or its name.
_MADE = r"(?:sandbox:)?(?<![\w./-])(?P<name>%s)(?![\w-]|\.\w)"


def named_files(text: str, paths: Iterable[str]) -> Iterator[tuple[str, int, int]]:
    """Where the text names files with these paths: the path, and where the name begins and ends."""
    longest_first = sorted(paths, key=len, reverse=True)
    if not longest_first:
        return
    by_name = {PurePosixPath(path).name: path for path in longest_first}
    by_name |= {path: path for path in longest_first}
    names = [re.escape(path) + "|" + re.escape(PurePosixPath(path).name) for path in longest_first]
    for match in re.finditer(_MADE % "|".join(names), text):
        yield by_name[match["name"]], match.start(), match.end()
