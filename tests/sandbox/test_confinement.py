"""Whether code can be confined is tried, and said."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import openedai.sandbox.probe
from openedai.sandbox.command import Limits, Python
from openedai.sandbox.confinement import Confined, Confinement, NotConfined
from openedai.sandbox.seccomp import seccomp_filter


def reason(python: str = "", hidden: tuple[Path, ...] = ()) -> str:
    """Why code cannot be run."""
    with pytest.raises(NotConfined) as error:
        asyncio.run(Confinement(python, hidden).confined())
    return str(error.value)


def test_without_bubblewrap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert reason() == "bubblewrap is not installed (apt-get install bubblewrap)"


def test_a_python_that_does_not_work(confined: Confined, tmp_path: Path) -> None:
    assert "No such file" in reason(str(tmp_path / "python"))
    assert "is not a Python that works" in reason("/bin/true")


def test_folders_that_code_would_see(confined: Confined) -> None:
    assert "/usr/lib is in a folder that code sees" in reason(
        confined.python.program, (Path("/usr/lib"),)
    )


def test_the_working_folder_is_not_seen(
    confined: Confined, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have settings with keys."""
    monkeypatch.chdir("/usr/lib")
    assert "/usr/lib is in a folder that code sees" in reason(confined.python.program)


def test_an_environment_of_its_own(confined: Confined) -> None:
    """Its packages can be imported, and nothing beside it can be seen."""
    with TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        made = [confined.python.program, "-m", "venv", "--without-pip", f"{folder}/environment"]
        subprocess.run(made, check=True)
        (packages,) = folder.glob("environment/lib/python3*/site-packages")
        (packages / "own_package.py").write_text("answer = 42")
        (folder / "secret").write_text("secret")
        folder.chmod(0o755)

        async def scenario() -> None:
            program = f"{folder}/environment/bin/python"
            found = await Confinement(program, [folder]).confined()
            assert f"{folder}/environment" in found.python.folders
            box = await found.start(Limits())
            try:
                ran = await box.run("import own_package\nown_package.answer", 30)
                listed = await box.run(f"import os; os.listdir('{folder}')", 30)
            finally:
                await box.close()
            assert (ran.value, listed.value) == ("42", "['environment']")

        asyncio.run(scenario())


def test_it_is_tried_once(confined: Confined) -> None:
    async def scenario() -> None:
        confinement = Confinement(confined.python.program, [])
        first, second = await asyncio.gather(confinement.confined(), confinement.confined())
        assert first is second

    asyncio.run(scenario())


def test_a_bubblewrap_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says is the reason."""
    with TemporaryDirectory(dir="/tmp") as folder:
        program = Path(folder, "bwrap")
        program.write_text("#!/bin/sh\necho 'bwrap: no permissions' >&2\nexit 1\n")
        for path in (program, program.parent):
            path.chmod(0o755)
        monkeypatch.setenv("PATH", folder)
        assert "cannot be confined: bwrap: no permissions" in reason("/usr/bin/python3")


def test_the_probe_finds_what_is_not_confined(tmp_path: Path) -> None:
    """Run without any confinement."""
    given = {
        "hidden": [__file__],
        "environment": [],
        "limits": Limits().of_process(),
        "disk": 1 << 20,
        "folders": [str(tmp_path)],
    }
    given["limits"] = {**Limits().of_process(), "RLIMIT_DATA": 1 << 20, "RLIMIT_NPROC": 2}
    source = Path(openedai.sandbox.probe.__file__).read_text("utf-8")
    program = f"{source}\nprint(json.dumps(probe({json.dumps(given)!r})))"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, cwd=tmp_path
    )
    found = json.loads(result.stdout)
    for expected in (
        f"the path {__file__} is seen",
        "the variable PATH is seen",
        f"the folder {tmp_path} can be written",
        "other processes are seen",
        "system calls are not filtered",
        "there is no filter of system calls",
        "NoNewPrivs is 0",
        "the limit RLIMIT_DATA does not hold",
        "memory is not limited",
        "the disk is not limited",
        "processes are not limited",
    ):
        assert expected in found, found


def test_the_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    for machine, known in (("x86_64", True), ("aarch64", True), ("riscv64", False)):
        monkeypatch.setattr("platform.machine", lambda name=machine: name)
        program = seccomp_filter()
        assert (program is not None) == known
        if program is not None:
            assert len(program) % 8 == 0
            _check_jumps(program)


def _check_jumps(program: bytes) -> None:
    """Every jump stays inside of it."""
    steps = len(program) // 8
    for at in range(steps):
        yes, no = program[8 * at + 2], program[8 * at + 3]
        assert at + 1 + max(yes, no) < steps or (yes, no) == (0, 0)


def test_the_folders_of_a_python() -> None:
    found = Python.at(sys.executable)
    assert Path(found.program).exists()
    assert all(not folder.startswith("/usr/") for folder in found.folders)
