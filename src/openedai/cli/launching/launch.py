"""`openedai launch`: start an installed client that uses this server."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
from rich.console import Console
from rich.table import Table

from openedai.catalog.catalog import Catalog
from openedai.catalog.defaults import CHAT
from openedai.cli.launching.programs import PROGRAMS, VARIABLES, Program, Server, text_of
from openedai.cli.terminal import NO_KEY, connection_problem, refused_key
from openedai.config import Settings

AGENT_CONTEXT = 16_384  # tokens
_TIMEOUT = aiohttp.ClientTimeout(total=10)


class LaunchError(Exception):
    """The text says why, for people."""


def local_url(settings: Settings) -> str:
    """The URL of the server with these settings, for programs on this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    scheme = "https" if settings.cert_path else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.port}{settings.root_path}"


async def find_server(url: str, key: str, model: str | None, default: str) -> Server:
    """The server at a URL and one of its models: `model`, or else `default`, or else any.

    Raises LaunchError.
    """
    url = url.rstrip("/").removesuffix("/v1")
    if urlsplit(url).scheme not in ("http", "https"):
        raise LaunchError(f"{url} is not an http or https URL")
    names = await _models(url, key)
    if model is not None:
        if model not in names and not await _has(url, key, model):
            raise LaunchError(
                f"the server at {url} has no model {model!r}; it has {', '.join(names) or 'none'}"
            )
        return Server(url, key, model)
    if not names:
        raise LaunchError(f"the server at {url} has no models")
    return Server(url, key, default if default in names else names[0])


async def _models(url: str, key: str) -> list[str]:
    status, answer = await _get(f"{url}/v1/models", key)
    if status == 401:
        raise LaunchError(refused_key(url, key))
    if status != 200 or not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
        raise LaunchError(f"what answers at {url} is not an OpenAI-compatible server")
    return [str(one.get("id")) for one in answer["data"] if isinstance(one, dict)]


async def _has(url: str, key: str, model: str) -> bool:
    """Whether it is another name of a model."""
    status, _ = await _get(f"{url}/v1/models/{model}", key)
    return status == 200


async def _get(url: str, key: str) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {key}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT, headers=headers) as session,
            session.get(url) as response,
        ):
            return response.status, msgspec.json.decode(await response.read())
    except msgspec.DecodeError:
        return 0, None
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        where = url.partition("/v1/")[0]
        raise LaunchError(
            f"no server answers at {where} ({connection_problem(error)}): start one with "
            "`openedai serve`"
        ) from error


def run(
    settings: Settings,
    name: str | None,
    url: str | None,
    model: str | None,
    arguments: list[str],
    as_lines: bool,
) -> int:
    """Start the client, or print the lines for it. Returns its exit code. Raises LaunchError."""
    address = url or os.environ.get("OPENAI_BASE_URL") or local_url(settings)
    key = os.environ.get("OPENAI_API_KEY") or next(iter(settings.keys), NO_KEY)
    default = Catalog(settings).default(CHAT)
    server = asyncio.run(find_server(address, key, model, default.id if default else ""))
    folder = settings.data.expanduser() / "launch" / (name or "")
    if as_lines:
        print_lines(name, server, folder)
        return 0
    assert name is not None, "there is nothing to do"
    return launch(name, server, folder, arguments)


def launch(name: str, server: Server, folder: Path, arguments: list[str]) -> int:
    """Run the program in place of this process if possible; otherwise return its exit code.

    `folder` is where its files are written. Raises LaunchError.
    """
    program = PROGRAMS[name].filled(server, str(folder))
    path = shutil.which(program.command)
    if path is None:
        raise LaunchError(f"{program.command} is not installed: {PROGRAMS[name].install}")
    _write_files(program, folder)
    if program.agent:
        print(
            f"openedai: {name} needs a model with a `context` of {AGENT_CONTEXT:,} tokens or more; "
            f"this is {server.model}.",
            file=sys.stderr,
        )
    environment = {**os.environ, **program.environment}
    command = [path, *program.arguments, *(arguments or program.alone)]
    if os.name == "posix":
        os.execve(path, command, environment)
    return subprocess.run(command, env=environment, check=False).returncode


def print_lines(name: str | None, server: Server, folder: Path) -> None:
    """Print what `launch` would do as lines for a shell; without a name, for any other client."""
    if name is None:
        filled = Program("", "", environment=VARIABLES).filled(server, "")
        _print_variables(filled)
        return
    program = PROGRAMS[name].filled(server, str(folder))
    _write_files(program, folder)
    _print_variables(program)
    print(shlex.join([program.command, *program.arguments, *program.alone]))


def list_programs(console: Console) -> None:
    """Print the programs that can be started, and how to install the missing ones."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("Name", "Installed", "Command to install it"):
        table.add_column(title)
    for name, program in PROGRAMS.items():
        found = shutil.which(program.command) is not None
        table.add_row(name, "yes" if found else "no", "" if found else program.install)
    console.print(table)
    console.print(
        "\nFor any other client, [bold]openedai launch --print[/] shows the variables to set."
    )


def _print_variables(program: Program) -> None:
    for name, value in program.environment.items():
        print(f"export {name}={shlex.quote(value)}")


def _write_files(program: Program, folder: Path) -> None:
    """Write the files. Only the user can read them, because they contain the key."""
    if not program.files:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, content in program.files.items():
            file = folder / name
            file.touch(mode=0o600)
            file.write_text(text_of(content), "utf-8")
    except OSError as error:
        raise LaunchError(f"cannot write {error.filename}: {error.strerror}") from error
