"""The confined process: what runs in it, what ends it, and what code cannot do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import psutil
import pytest

from openedai.sandbox.box import Box, BoxFailed, BoxFile, Ran
from openedai.sandbox.command import Limits
from openedai.sandbox.confinement import Confined
from tests.children import until

LIMITS = Limits(memory=256 << 20, disk=8 << 20, processes=24)
# Writes to the connection what the server does not expect. Its descriptor is an argument.
FORGED = """
import os, socket, struct
def forge(data):
    for name in os.listdir('/proc/self/fd'):
        try:
            socket.socket(fileno=os.dup(int(name))).sendall(data)
        except OSError:
            pass
"""
# Changes what answers the server: `G` are the variables of the program inside.
CHANGED = """
import sys
frame = sys._getframe()
while 'listed' not in frame.f_globals:
    frame = frame.f_back
G = frame.f_globals
"""


@asynccontextmanager
async def boxed(confined: Confined, limits: Limits = LIMITS) -> AsyncIterator[Box]:
    box = await confined.start(limits)
    try:
        yield box
    finally:
        await box.close()


async def ran(box: Box, code: str, seconds: float = 30) -> str:
    """What the code wrote, its value and the last line of its error."""
    result = await box.run(code, seconds)
    error = (result.error or "").rstrip().rpartition("\n")[2]
    return "".join(filter(None, (result.text, result.value, error)))


def test_what_code_can_do(confined: Confined) -> None:
    async def scenario() -> None:
        async with boxed(confined) as box:
            assert await ran(box, "x = 1\nprint('out')\nx") == "out\n1"
            assert await ran(box, "x + 1") == "2"
            assert await ran(box, "import sys; print('err', file=sys.stderr)") == "err\n"
            assert await ran(box, "import os; os.system('echo from the shell') and None")
            assert "EOFError" in await ran(box, "input()")
            assert await ran(box, "class A:\n  pass\nimport pickle\nlen(pickle.dumps(A())) > 0")
            text = await box.run("os.write(1, bytes(range(256))) and None", 30)
            assert "\ufffd" in text.text
            long = await box.run("print('a' * 1_000_000)", 30)
            assert (len(long.text), long.cut) == (100_000, 900_001)
            assert await box.run("None", 30) == Ran("")

    asyncio.run(scenario())


def test_what_takes_too_long_is_interrupted(confined: Confined) -> None:
    async def scenario() -> None:
        async with boxed(confined) as box:
            await ran(box, "kept = 1")
            for code in ("while True: pass", "import time; time.sleep(60)"):
                for seconds in (0, 0.2):  # even before it begins
                    late = await box.run(code, seconds)
                    assert late.late
                    assert "KeyboardInterrupt" in (late.error or "")
            assert await ran(box, "kept") == "1"
            stubborn = "while True:\n  try:\n    time.sleep(60)\n  except BaseException: pass"
            with pytest.raises(BoxFailed, match=r"longer than 0.2 seconds, and could not be"):
                await box.run(stubborn, 0.2)
            assert not box.alive
            with pytest.raises(BoxFailed):
                await box.run("1", 1)

    asyncio.run(scenario())


def test_who_does_not_wait_any_more(confined: Confined) -> None:
    async def scenario() -> None:
        async with boxed(confined) as box:
            await ran(box, "kept = 2")
            for pause in (0, 0.3):  # before it begins, and after
                running = asyncio.create_task(box.run("import time; time.sleep(60)", 60))
                await asyncio.sleep(pause)
                running.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await running
                assert await ran(box, "kept") == "2"

    asyncio.run(scenario())


def test_limits(confined: Confined) -> None:
    async def scenario() -> None:
        async with boxed(confined) as box:
            assert await ran(box, "len(bytearray(300 << 20))") == "MemoryError"
            full = "open('a', 'wb').write(bytes(7 << 20)); open('b', 'wb').write(bytes(7 << 20))"
            assert "No space left on device" in await ran(box, full)
            assert "File too large" in await ran(box, "open('c', 'wb').truncate(9 << 20)")
            bomb = "import os\nwhile True:\n  os.fork()"
            assert "Resource temporarily unavailable" in await ran(box, bomb)
            threads = "import threading\nfor _ in range(99):\n"
            threads += "  threading.Thread(target=threading.Event().wait, daemon=True).start()"
            assert "can't start new thread" in await ran(box, threads)
            assert await ran(box, "3") == "3"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (
            "import os, time\nfor _ in range(4):\n  if not os.fork():\n"
            "    a = bytearray(90 << 20)\n    for n in range(0, len(a), 4096): a[n] = 1\n"
            "    time.sleep(60)\ntime.sleep(60)",
            "more than 256 MiB of memory",
        ),
        (
            "for n in range(50_000): open(f'/tmp/{n}', 'w').close()\nimport time; time.sleep(60)",
            "more than 20000 files",
        ),
        ("import os; os.kill(os.getpid(), 9)", "has ended"),
        (f"{FORGED}\nforge(b'\\xff' * 64)", "has ended"),
        (f"{FORGED}\nforge(struct.pack('>II', 2, 0) + b'[]')", "has ended"),
        (f"{FORGED}\nforge(struct.pack('>II', 2, 0) + b'{{}}')", "has ended"),
        (f"{CHANGED}\nG['figures'] = lambda: [b''] * 9", "has ended"),
        (f"{CHANGED}\nG['figures'] = lambda: [bytes(5 << 20)]", "has ended"),
    ],
)
def test_what_ends_it(confined: Confined, code: str, reason: str) -> None:
    async def scenario() -> None:
        async with boxed(confined) as box:
            with pytest.raises(BoxFailed, match=reason):
                await box.run(code, 30)
            assert not box.alive

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("G['listed'] = lambda: [('/mnt/data/a', 1, 1)] * 1001", "has ended"),
        (
            "import os, time\nfor _ in range(4):\n  if not os.fork():\n    time.sleep(0.2)\n"
            "    a = b'x' * (90 << 20)\n    time.sleep(60)\nG['listed'] = lambda: time.sleep(60)",
            "more than 256 MiB of memory",
        ),
    ],
)
def test_what_ends_it_after_a_call(confined: Confined, code: str, reason: str) -> None:
    async def scenario() -> None:
        async with boxed(confined) as box:
            await ran(box, CHANGED + code)
            with pytest.raises(BoxFailed, match=reason):
                await box.files()
            assert not box.alive

    asyncio.run(scenario())


def test_questions_about_files_have_a_time_together(confined: Confined) -> None:
    code = "import time\nlisted = G['listed']\nG['listed'] = lambda: time.sleep(0.5) or listed()"

    async def scenario() -> None:
        async with boxed(confined, replace(LIMITS, files_seconds=1.2)) as box:

            async def ask(times: int) -> None:
                for _ in range(times):
                    assert await box.files() == []

            await ran(box, CHANGED + code)
            for _ in range(2):
                await ask(1)
                await box.freeze()
                await box.thaw()
            with pytest.raises(BoxFailed, match="does not answer"):
                await ask(3)

    asyncio.run(scenario())


def test_texts_without_characters(confined: Confined) -> None:
    async def scenario() -> None:
        async with boxed(confined) as box:
            failed = await box.run("raise Exception('\\ud800.')", 30)
            assert (failed.error or "").endswith("Exception: ?.\n")
            shown = await box.run("class A:\n  __repr__ = lambda _: '\\udfff.'\nA()", 30)
            assert shown.value == "?."

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "code",
    [
        "import os; os.mkdir('closed'); open('closed/b', 'w').close(); os.chmod('closed', 0)",
        "import os\nopen('b', 'w').close()\nfor _ in range(30):\n"
        "  os.mkdir('d' * 200); os.chdir('d' * 200)\nopen('c', 'w').close()",
    ],
)
def test_folders_that_cannot_be_read(confined: Confined, code: str) -> None:
    async def scenario() -> None:
        async with boxed(confined) as box:
            await box.write("/mnt/data/a", b"", first=True)
            await ran(box, code)
            assert [file.path[-2:] for file in await box.files()] == ["/a", "/b"]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.create_connection(('1.1.1.1', 53), 2)",
        "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
        "import socket; socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)",
        "open('/etc/shadow').read()",
        "open('/etc/passwd').read()",
        "import os; os.listdir('/root')",
        "import os; os.listdir('/home')",
        "open('/proc/1/root/etc/shadow').read()",
        "open('/usr/x', 'w')",
        "open('/x', 'w')",
        "open('/dev/x', 'w')",
        "open('/proc/sys/kernel/hostname', 'w').write('x')",
        "open('/proc/sysrq-trigger', 'w').write('b')",
        "import os; os.setuid(0)",
        "import os; os.chroot('/tmp')",
        "import os; os.mknod('disk', 0o60600, os.makedev(8, 0))",
        "import resource; resource.setrlimit(resource.RLIMIT_NPROC, (999, 999))",
        "import os; os.nice(-5)",
        "import os; os.kill(99999, 9)",
        "import os; os.memfd_create('a')",
        "import subprocess; subprocess.run(['unshare', '-U', 'true'], check=True)",
        "import subprocess; subprocess.run(['su', '-c', 'true'], check=True)",
        "import subprocess; subprocess.run(['mount', '-t', 'tmpfs', 'a', '/tmp'], check=True)",
    ],
)
def test_what_code_cannot_do(shared: tuple[asyncio.Runner, Box], code: str) -> None:
    runner, box = shared
    result = runner.run(box.run(code, 30))
    assert result.error is not None
    last = result.error.rstrip().rpartition("\n")[2]
    assert last.partition(":")[0].rpartition(".")[2] in (
        *("OSError", "PermissionError", "FileNotFoundError", "ProcessLookupError"),
        *("CalledProcessError", "ValueError"),
    ), last


@pytest.fixture(scope="module")
def shared(confined: Confined) -> object:
    with asyncio.Runner() as runner:
        box = runner.run(confined.start(LIMITS))
        yield runner, box
        runner.run(box.close())


def test_it_sees_no_secrets(
    shared: tuple[asyncio.Runner, Box], monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, box = shared
    for code in (
        "open('/proc/1/environ').read() + str(dict(os.environ))",
        "import os, sys\nopen('/proc/1/cmdline').read() and str(sorted(os.environ))",
    ):
        assert "OPENEDAI" not in runner.run(ran(box, f"import os\n{code}"))
    found = runner.run(ran(box, "[n for n in os.listdir('/proc') if n.isdigit()]"))
    assert found == "['1', '2']"


def test_files(confined: Confined) -> None:
    async def scenario() -> None:
        async with boxed(confined) as box:
            await box.write("/mnt/data/deep/a", b"one", first=True)
            await box.write("/mnt/data/deep/a", b"two", first=False)
            assert await ran(box, "open('deep/a').read()") == "'onetwo'"
            (file,) = await box.files()
            assert (file.path, file.bytes) == ("/mnt/data/deep/a", 6)
            assert await read(box, file) == b"onetwo"
            await ran(box, "import os; os.symlink('/usr/bin/env', 'link'); os.mkfifo('pipe')")
            assert await box.files() == [file]
            for path in ("/mnt/data/link", "/mnt/data/nothing"):
                with pytest.raises(BoxFailed, match="A file cannot be used"):
                    await read(box, BoxFile(path, 5, 0))
            with pytest.raises(BoxFailed, match="A file cannot be used"):
                await box.write("/mnt/data/link", b"x", first=True)
            await box.remove("/mnt/data/deep/a")
            assert await box.files() == []

    asyncio.run(scenario())


async def read(box: Box, file: BoxFile) -> bytes:
    return b"".join([chunk async for chunk in box.read(file)])


_RESTING = {psutil.STATUS_STOPPED, psutil.STATUS_SLEEPING}


def test_between_calls_nothing_runs(confined: Confined) -> None:
    code = """
import subprocess, threading, time
count = 0
def always():
    global count
    while True:
        count += 1
threading.Thread(target=always, daemon=True).start()
child = subprocess.Popen(['sh', '-c', 'while :; do :; done'])
"""

    async def scenario() -> None:
        async with boxed(confined) as box:
            await ran(box, code)
            await box.freeze()
            await until(lambda: {one.status() for one in _family(box)} <= _RESTING)
            before = _computed(box)
            await asyncio.sleep(0.2)
            assert _computed(box) == before
            await box.thaw()
            assert await ran(box, "before = count; time.sleep(0.2); count > before") == "True"

    asyncio.run(scenario())


def _family(box: Box) -> list[psutil.Process]:
    found: list[psutil.Process] = psutil.Process(box.pid).children(recursive=True)
    return found


def _computed(box: Box) -> float:
    return sum(float(one.cpu_times().user) for one in _family(box))


def test_it_ends_with_all_of_its_processes(confined: Confined) -> None:
    async def scenario() -> None:
        async with boxed(confined) as box:
            await ran(
                box, "import subprocess\nfor _ in range(3): subprocess.Popen(['sleep', '60'])"
            )
            family = _family(box)
            assert len(family) >= 4
        deadline = time.monotonic() + 10
        while any(one.is_running() and one.status() != "zombie" for one in family):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)

    asyncio.run(scenario())
