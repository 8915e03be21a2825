"""Removes the folders of this machine from messages for clients."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Not the path of a URL: nothing that could be a host is before it.
_FOLDERS = re.compile(r"(?<![\w:/.~-])~?/(?:[^\s/'\"`]+/)+(?=[^\s/'\"`])")


def without_folders(message: str, paths: Iterable[str] = ()) -> str:
    """The message with the names of files only; `paths` are paths that it may contain, even with
    spaces.

    The last part of each path stays.
    """
    for path in sorted(paths, key=len, reverse=True):
        folder = path.rpartition("/")[0]
        if folder:
            message = message.replace(f"{folder}/", "")
    return _FOLDERS.sub("", message)
