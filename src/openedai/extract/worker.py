"""The process that reads one file: `python -m openedai.extract.worker FD`.

A file that takes too much time or memory ends it, by the kernel's limits.
"""

from __future__ import annotations

import math
import resource
import traceback
from pathlib import Path

import msgspec

from openedai.engines.process.frames import read_frame, write_frame
from openedai.engines.process.parent import leave, socket_to_parent
from openedai.extract.formats.reader import read
from openedai.extract.messages import Answer, Done, Failed, Task
from openedai.extract.result import NotReadable
from openedai.extract.writer import TextWriter


def main() -> None:
    end = socket_to_parent()
    with end.makefile("rb") as tasks, end.makefile("wb") as answers:
        if (frame := read_frame(tasks)) is not None:
            task = msgspec.msgpack.decode(frame, type=Task)
            _limit(task)
            write_frame(answers, msgspec.msgpack.encode(_answer(task)))
    leave()


def _limit(task: Task) -> None:
    seconds = max(1, math.ceil(task.seconds))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (task.memory, task.memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _answer(task: Task) -> Answer:
    writer = TextWriter(task.characters)
    try:
        with Path(task.path).open("rb") as file:
            read(file, task.name, writer)
        return Done(writer.text())
    except NotReadable as error:
        if error.__cause__ is not None:
            traceback.print_exception(error.__cause__)
        return Failed(error.code, error.message)
    except MemoryError:
        return Failed(
            "invalid_file", f"The file needs more than {task.memory >> 20} MiB to be read."
        )


if __name__ == "__main__":
    main()
